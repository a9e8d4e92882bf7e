with measured as (
    select
        *,
        median(engagement) over (partition by handle) as author_median
    from {{ ref('stg_posts') }}
),

-- An author whose median post got nothing has no rate: there is nothing to divide by.
rated as (
    select *, round(engagement / nullif(author_median, 0), 2) as times_median
    from measured
)

select
    row_number() over (order by times_median desc nulls last, engagement desc, uri) as rank,
    handle,
    text,
    engagement,
    author_median,
    times_median,
    likes,
    reposts,
    replies,
    quotes,
    is_reply,
    posted_at,
    uri
from rated
order by rank
