-- Nanoseconds since the epoch as text, all nine decimals written. (DuckDB 2.0.0 writes a zero byte behind `%n`.)
CREATE MACRO utc_text(ns) AS
    strftime(make_timestamp(ns // 1000), '%Y-%m-%dT%H:%M:%S') || '.' || lpad(CAST(ns % 1000000000 AS VARCHAR), 9, '0') || 'Z';
