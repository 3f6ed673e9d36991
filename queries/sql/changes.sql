-- Book changes of a symbol in a window, by arrival or by the venue's clock; what was cut from a book comes after its message's
-- entries.
SELECT *
FROM book_changes
WHERE
    symbol = $symbol
    AND receive_ns >= $start_ns
    AND receive_ns < $end_ns
    AND (proven OR NOT $proven)
    AND (NOT $by_venue OR (sending_ms >= $start_ms AND sending_ms < $end_ms))
ORDER BY CASE WHEN $by_venue THEN sending_ms END, receive_ns, session_id, msg_seq_num, entry_index < 0, entry_index
