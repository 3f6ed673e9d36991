-- Milliseconds since the epoch as a UTC time; null beyond what nanoseconds in 64 bits can hold, as a venue may write.
CREATE MACRO time_of_ms(ms) AS CASE WHEN ms BETWEEN 0 AND 9223372036854 THEN make_timestamp_ns(ms * 1000000) END;
