-- Size of the levels of one side, best first, not further than so many basis points from a centre; null without one.
CREATE MACRO depth_within(prices, sizes, centre, bps) AS
    CASE
        WHEN centre IS NOT NULL
            THEN coalesce(
                list_sum(
                    list_transform(
                        range(1, len(prices) + 1),
                        lambda place: CASE
                            WHEN abs(prices[place] - centre) * 10000 <= centre * bps THEN sizes[place] ELSE 0
                        END
                    )
                ),
                0
            )
    END;
