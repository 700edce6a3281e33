-- Trial balance of the official books: the sum of each ledger account by company and month.
-- For PostgreSQL, on the views of current_rows.sql.
select
    t.company_id,
    t.account,
    a.name,
    date_trunc('month', r.receipt_date)::date as month,
    sum(t.accounting_value) as total
from procountor.ledger_transactions t
join procountor.official_receipts r
    on r.company_id = t.company_id and r.id = t.ledger_receipt_id
left join tap_procountor.chart_of_accounts a
    on a.company_id = t.company_id and a.ledger_account_code = t.account
    and a._sdc_deleted_at is null
group by t.company_id, t.account, a.name, month
order by t.company_id, t.account, month;
