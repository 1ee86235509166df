import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Send } from 'lucide-react'
import { useCallback, useMemo } from 'react'
import { MOST_POLLED_PAGES, useList } from '~/api/lists'
import { useEvents } from '~/shell/live'
import { useFormats, useTexts } from '~/texts'
import { current } from '~/ui/current'
import { Empty } from '~/ui/Empty'
import { ListFrame, ReadMore } from '~/ui/ListFrame'
import { Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { covers } from '../events/events'
import { AttemptFigures } from './AttemptFigures'
import { DeliveryRow } from './DeliveryRow'
import { DELIVERY_STATUSES, isMoving, isReplayed, POLL_MS, readDeliveries, type Webhook } from './webhooks'

// The sender needs a moment after an event until its delivery is there.
const AFTER_EVENT_MS = 2000

/** The deliveries of a webhook, newest first, with the figures and the plot of their attempts. */
export function Deliveries(props: { webhook: Webhook }) {
  const { webhook } = props
  const texts = useTexts()
  const { count } = useFormats()
  const search = useSearch({ from: '/webhooks/$id' })
  const navigate = useNavigate({ from: '/webhooks/$id' })
  const list = useList(
    ['webhook', webhook.id, 'deliveries'],
    (cursor) => readDeliveries(webhook.id, cursor),
    {
      poll: (items) => (isMoving(items, Date.now()) || isReplayed(webhook.id, Date.now()) ? POLL_MS : false),
    },
  )
  const { items, refetch } = list
  const isShort = (list.data?.pages.length ?? 0) <= MOST_POLLED_PAGES
  useEvents(
    useCallback(
      (events) => {
        if (isShort && events.some((it) => covers(webhook.events, it.type)))
          setTimeout(refetch, AFTER_EVENT_MS)
      },
      [refetch, isShort, webhook.events],
    ),
  )

  const shown = useMemo(
    () => (search.status ? items.filter((it) => it.status === search.status) : items),
    [items, search.status],
  )
  const open = useCallback(
    (id: string) =>
      void navigate({
        search: (before) => ({ ...before, delivery: before.delivery === id ? undefined : id }),
        replace: true,
        resetScroll: false,
      }),
    [navigate],
  )
  const active = useRows(shown, { open: ({ id }) => open(id) })

  return (
    <div className="stack">
      <AttemptFigures deliveries={items} isPending={list.isPending} />
      <section className="card">
        <StatusViews />
        <ListFrame
          list={list}
          isEmpty={!shown.length}
          empty={
            <Empty
              icon={Send}
              title={search.status ? texts.webhooks.noSuchDeliveries : texts.webhooks.noDeliveries}
              lead={
                search.status ? texts.webhooks.amongLoaded(items.length) : texts.webhooks.noDeliveriesLead
              }
            />
          }
          // On demand alone: the status is filtered here, so that a view could read all deliveries.
          more={
            <ReadMore
              list={list}
              label={texts.webhooks.older}
              read={texts.webhooks.loaded(count(items.length))}
            />
          }
        >
          <Table
            columns={[
              texts.webhooks.event,
              texts.webhooks.status,
              { name: texts.webhooks.answerCode, isNumber: true },
              { name: texts.webhooks.attempts, isNumber: true },
              texts.webhooks.when,
            ]}
            pendingRows={list.isPending && 8}
          >
            {shown.map((it, row) => (
              <DeliveryRow
                key={it.id}
                webhook={webhook}
                delivery={it}
                active={row === active}
                open={it.id === search.delivery}
                onToggle={open}
              />
            ))}
          </Table>
        </ListFrame>
      </section>
    </div>
  )
}

function StatusViews() {
  const texts = useTexts()
  const { status } = useSearch({ from: '/webhooks/$id' })
  return (
    <nav className="views" aria-label={texts.webhooks.status}>
      {[undefined, ...DELIVERY_STATUSES].map((it) => (
        <Link
          key={it ?? 'all'}
          from="/webhooks/$id"
          to="."
          search={it ? { status: it } : {}}
          replace
          resetScroll={false}
          {...current(status === it)}
        >
          {it ? texts.webhooks.deliveryStatuses[it] : texts.common.all}
        </Link>
      ))}
    </nav>
  )
}
