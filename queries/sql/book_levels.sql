-- For each price from a snapshot on: the last thing that was done to it.
SELECT
    side,
    price_scaled,
    price_scale,
    arg_max(
        {'action': action, 'size': size_scaled, 'scale': size_scale, 'seq': msg_seq_num, 'entry': entry_index},
        (msg_seq_num, entry_index < 0, entry_index)
    ) AS last
FROM book_changes
WHERE
    symbol = $symbol
    AND session_id = $session_id
    AND receive_ns <= $at_ns
    AND msg_seq_num >= $snapshot_seq
    AND side IS NOT NULL
GROUP BY side, price_scaled, price_scale
