-- What a book was rebuilt from: the rows from a snapshot on, and the last of them.
SELECT
    count(*) AS applied,
    count(*) FILTER (flags & 4 <> 0) AS suspect,
    count(*) FILTER (NOT proven AND action NOT IN ('snapshot', 'clear')) AS unproven,
    arg_max(
        {
            'receive_ns': receive_ns,
            'msg_seq_num': msg_seq_num,
            'proven': proven,
            'price_scale': price_scale,
            'size_scale': size_scale
        },
        (msg_seq_num, entry_index < 0, entry_index)
    ) AS last
FROM book_changes
WHERE symbol = $symbol AND session_id = $session_id AND receive_ns <= $at_ns AND msg_seq_num >= $snapshot_seq
