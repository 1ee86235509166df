import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { PackageOpen } from 'lucide-react'
import { useCallback, useMemo, useState } from 'react'
import type { Order } from '~/api/client'
import { useList } from '~/api/lists'
import type { OrdersSearch } from '~/router'
import { useEvents } from '~/shell/live'
import { useFormats, useTexts } from '~/texts'
import { current } from '~/ui/current'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { OrderBadge } from '~/ui/OrderBadge'
import { Failed } from '~/ui/problems'
import { SkeletonRows } from '~/ui/Skeleton'
import { useRows } from '~/ui/useRows'
import { BulkConfirm } from './BulkConfirm'
import { nameOf, readOrders, unitsOf } from './orders'

/** Views that shops use every day, as the statuses of the address. */
const VIEWS = {
  all: undefined,
  pending: 'pending',
  confirmed: 'confirmed',
  shipped: 'shipped',
  ended: 'delivered,returned,cancelled,expired',
} as const

export function Orders() {
  const texts = useTexts()
  const search = useSearch({ from: '/orders' })
  const navigate = useNavigate({ from: '/orders' })
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const list = useList(['orders', search], (cursor) => readOrders(search, cursor))
  const { items } = list

  const toggle = useCallback((id: string) => {
    setSelected((before) => {
      const after = new Set(before)
      if (!after.delete(id)) after.add(id)
      return after
    })
  }, [])
  const act = useMemo(
    () => ({
      open: (row: number) => items[row] && navigate({ to: '/orders/$id', params: { id: items[row].id } }),
      select: (row: number) => items[row] && toggle(items[row].id),
    }),
    [items, navigate, toggle],
  )
  const active = useRows(items.length, act)
  const chosen = items.filter((it) => selected.has(it.id))
  const isFiltered = Object.keys(search).length > 0

  return (
    <>
      <header>
        <h1>{texts.orders.title}</h1>
        <FreshOrders search={search} refresh={list.refetch} />
      </header>
      <div className="card">
        <Views search={search} onChange={() => setSelected(new Set())} />
        <Filters search={search} />
        {chosen.length > 0 && <BulkConfirm orders={chosen} onDone={() => setSelected(new Set())} />}
        {list.isError && !items.length ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : list.isSuccess && !items.length ? (
          <Empty
            icon={<PackageOpen size={28} aria-hidden />}
            title={isFiltered ? texts.orders.empty : texts.orders.emptyShop}
            lead={isFiltered ? texts.orders.emptyLead : texts.orders.emptyShopLead}
            action={
              isFiltered ? (
                <Link to="/orders" className="button">
                  {texts.common.reset}
                </Link>
              ) : undefined
            }
          />
        ) : (
          <div className="table-box">
            <table className="table cards" aria-busy={list.isPending}>
              <thead>
                <tr>
                  <th>
                    <input
                      type="checkbox"
                      aria-label={texts.orders.selectAll}
                      checked={items.length > 0 && chosen.length === items.length}
                      onChange={(event) =>
                        setSelected(new Set(event.target.checked ? items.map((it) => it.id) : []))
                      }
                    />
                  </th>
                  <th>{texts.orders.number}</th>
                  <th>{texts.orders.customer}</th>
                  <th>{texts.orders.status}</th>
                  <th>{texts.orders.created}</th>
                  <th className="number">{texts.orders.items}</th>
                  <th className="number">{texts.orders.total}</th>
                </tr>
              </thead>
              <tbody>
                {list.isPending ? (
                  <SkeletonRows rows={12} columns={7} />
                ) : (
                  items.map((order, row) => (
                    <Row
                      key={order.id}
                      order={order}
                      active={row === active}
                      selected={selected.has(order.id)}
                      onToggle={toggle}
                    />
                  ))
                )}
              </tbody>
            </table>
          </div>
        )}
        <LoadMore hasMore={list.hasNextPage} busy={list.isFetchingNextPage} more={list.fetchNextPage} />
      </div>
    </>
  )
}

function Row(props: { order: Order; active: boolean; selected: boolean; onToggle: (id: string) => void }) {
  const { order, active, selected, onToggle } = props
  const texts = useTexts()
  const formats = useFormats()
  const navigate = useNavigate()
  return (
    <tr
      className="link"
      data-active={active}
      aria-selected={selected}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a, input'))
          void navigate({ to: '/orders/$id', params: { id: order.id } })
      }}
    >
      <td>
        <input
          type="checkbox"
          aria-label={texts.orders.select(order.number)}
          checked={selected}
          onChange={() => onToggle(order.id)}
        />
      </td>
      <td>
        <Link to="/orders/$id" params={{ id: order.id }}>
          {order.number}
        </Link>
      </td>
      <td className="wide">{nameOf(order)}</td>
      <td>
        <OrderBadge status={order.status} />
      </td>
      <td className="quiet" title={formats.dateTime(order.created_at)}>
        {formats.ago(order.created_at)}
      </td>
      <td className="number minor">{formats.count(unitsOf(order))}</td>
      <td className="number end">{formats.money(order.total, order.currency)}</td>
    </tr>
  )
}

function Views(props: { search: OrdersSearch; onChange: () => void }) {
  const texts = useTexts()
  const { status: _, ...rest } = props.search
  return (
    <nav className="views" aria-label={texts.orders.status}>
      {Object.entries(VIEWS).map(([name, status]) => (
        <Link
          key={name}
          to="/orders"
          search={status ? { ...rest, status } : rest}
          {...current(props.search.status === status)}
          onClick={props.onChange}
        >
          {texts.orders.views[name as keyof typeof VIEWS]}
        </Link>
      ))}
    </nav>
  )
}

function Filters(props: { search: OrdersSearch }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/orders' })
  const { search } = props
  const change = (name: keyof OrdersSearch, value: string) =>
    void navigate({ search: { ...search, [name]: value || undefined }, replace: true })
  return (
    <div className="row filters no-print">
      <label className="row">
        <span className="hint">{texts.orders.from}</span>
        <input
          type="date"
          className="input"
          value={search.from ?? ''}
          max={search.to}
          onChange={(event) => change('from', event.target.value)}
        />
      </label>
      <label className="row">
        <span className="hint">{texts.orders.to}</span>
        <input
          type="date"
          className="input"
          value={search.to ?? ''}
          min={search.from}
          onChange={(event) => change('to', event.target.value)}
        />
      </label>
      {search.customer && (
        <button type="button" className="button plain" onClick={() => change('customer', '')}>
          {texts.orders.oneCustomer} ✕
        </button>
      )}
    </div>
  )
}

/** A button that shows new orders, which do not move the rows by themselves. */
function FreshOrders(props: { search: OrdersSearch; refresh: () => Promise<unknown> }) {
  const texts = useTexts()
  const [fresh, setFresh] = useState(0)
  const { refresh } = props
  useEvents(
    useCallback(
      (events) => {
        const created = events.filter((it) => it.type === 'order.created').length
        const others = events.some((it) => it.type.startsWith('order.') && it.type !== 'order.created')
        // At the top of the page nothing moves that someone reads, so that the list is read at once.
        if (scrollY < 80 && (created || others)) void refresh()
        else if (created) setFresh((before) => before + created)
      },
      [refresh],
    ),
  )
  if (!fresh) return null
  return (
    <button
      type="button"
      className="button"
      onClick={() => {
        setFresh(0)
        scrollTo({ top: 0 })
        void refresh()
      }}
    >
      {texts.orders.fresh(fresh)}
    </button>
  )
}
