-- Views of current rows: without what was deleted, and without rows that left their document.
-- For PostgreSQL, on the tables as target-postgres writes them (schema tap_procountor).

create schema procountor;

create view procountor.invoices as
select * from tap_procountor.invoices where _sdc_deleted_at is null;

-- In a tracking period a receipt is current if it was read in the period's last whole reading. Other
-- receipts, and all documents, are current until a tombstone says otherwise.
create view procountor.ledger_receipts as
select r.*
from tap_procountor.ledger_receipts r
where r._sdc_deleted_at is null
    and not exists (
        select 1
        from tap_procountor.tracking_periods p
        where p.company_id = r.company_id
            and r.receipt_date between p.start_date and p.end_date
            and r._sdc_extracted_at < p.swept_at
    );

-- The official books: as Procountor's own reports count them. Receipts without a status are those of
-- opening balances, bank statements and reference payments. Each close makes opening receipts anew; of
-- those of a fiscal year or a month, only the one with the highest id is valid.
create view procountor.official_receipts as
select r.*
from procountor.ledger_receipts r
where coalesce(r.status, '') in (
        '', 'APPROVED', 'MARKED_PAID', 'NOT_SENT', 'PAID', 'PARTLY_PAID', 'PAYMENT_DENIED',
        'PAYMENT_QUEUED', 'PAYMENT_SENT_TO_BANK', 'SENT'
    )
    and coalesce(r.type, '') not in ('PURCHASE_ORDER', 'SALES_ORDER')
    and not exists (
        select 1
        from procountor.ledger_receipts newer
        where newer.company_id = r.company_id
            and newer.type = r.type
            and newer.id > r.id
            and (
                r.type = 'TRACKING_PERIOD_OPENING_RECEIPT'
                and date_trunc('month', newer.receipt_date) = date_trunc('month', r.receipt_date)
                or r.type = 'RECEIPT_FOR_OPENING_ACCOUNTS'
                and exists (
                    select 1
                    from tap_procountor.fiscal_years y
                    where y.company_id = r.company_id
                        and r.receipt_date between y.start_date and y.end_date
                        and newer.receipt_date between y.start_date and y.end_date
                )
            )
    );

create view procountor.business_partners as
select * from tap_procountor.business_partners where _sdc_deleted_at is null;

create view procountor.invoice_rows as
select r.*
from tap_procountor.invoice_rows r
join procountor.invoices i
    on i.company_id = r.company_id and i.id = r.invoice_id
    and i._sdc_extracted_at = r._sdc_extracted_at;

create view procountor.ledger_transactions as
select t.*
from tap_procountor.ledger_transactions t
join procountor.ledger_receipts r
    on r.company_id = t.company_id and r.id = t.ledger_receipt_id
    and r._sdc_extracted_at = t._sdc_extracted_at;

create view procountor.ledger_transaction_dimensions as
select d.*
from tap_procountor.ledger_transaction_dimensions d
join procountor.ledger_receipts r
    on r.company_id = d.company_id and r.id = d.ledger_receipt_id
    and r._sdc_extracted_at = d._sdc_extracted_at;

create view procountor.bank_statement_events as
select e.*
from tap_procountor.bank_statement_events e
join tap_procountor.bank_statements s
    on s.company_id = e.company_id and s.id = e.bank_statement_id
    and s._sdc_extracted_at = e._sdc_extracted_at
where s._sdc_deleted_at is null;

create view procountor.attachments as
select a.*
from tap_procountor.attachments a
where a.owner_stream is null or (a.company_id, a.id) in (
    select company_id, (file ->> 'id')::bigint
    from procountor.invoices, unnest(attachments) as file
    union all
    select company_id, (file ->> 'id')::bigint
    from procountor.ledger_receipts, unnest(attachments) as file
    union all
    select company_id, (file ->> 'id')::bigint
    from procountor.business_partners, unnest(attachments) as file
    union all
    select company_id, (file ->> 'id')::bigint
    from tap_procountor.reference_payments, unnest(attachments) as file
    where _sdc_deleted_at is null
    union all
    select company_id, (file ->> 'id')::bigint
    from procountor.bank_statement_events, unnest(attachments) as file
);
