with weeks as (
    select
        week_start,
        handle,
        count(*) as posts,
        cast(sum(engagement) as bigint) as engagement,
        round(sum(engagement) / count(*), 2) as engagement_per_post
    from {{ ref('stg_posts') }}
    group by all
),

-- The newest day may not be over, and neither may the week it belongs to.
newest as (
    select max(week_start) as running from weeks
)

select
    weeks.week_start,
    weeks.handle,
    weeks.posts,
    weeks.engagement,
    weeks.engagement_per_post,
    before.posts as posts_before,
    before.engagement_per_post as engagement_per_post_before,
    weeks.week_start < newest.running as is_full
from weeks
cross join newest
left join weeks as before
    on before.handle = weeks.handle and before.week_start = weeks.week_start - interval 7 day
order by weeks.week_start, weeks.handle
