-- The average price of a trade of a size through the levels of one side, best first; null if they hold less.
CREATE MACRO sweep_price(prices, sizes, size) AS
    CASE
        WHEN list_sum(sizes) >= size
            THEN list_sum(
                list_transform(
                    range(1, len(prices) + 1),
                    lambda place: CAST(prices[place] AS DOUBLE)
                    * greatest(0, least(sizes[place], size - coalesce(list_sum(sizes[1:place - 1]), 0)))
                )
            ) / size
    END;
