select
    weekday,
    hour,
    count(*) as posts,
    median(engagement) as median_engagement
from {{ ref('stg_posts') }}
group by all
order by weekday, hour
