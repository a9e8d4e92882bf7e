{{ config(materialized='view') }}

select
    uri,
    handle,
    posted_at,
    cast(posted_at as date) as day,
    cast(date_trunc('week', posted_at) as date) as week_start,
    isodow(posted_at) as weekday,
    hour(posted_at) as hour,
    text,
    is_reply,
    likes,
    reposts,
    replies,
    quotes,
    likes + reposts + replies + quotes as engagement
from {{ source('lake', 'posts') }}
