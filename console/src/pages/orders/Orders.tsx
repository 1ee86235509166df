import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { PackageOpen } from 'lucide-react'
import { memo, useCallback, useState } from 'react'
import type { Order } from '~/api/client'
import { useList } from '~/api/lists'
import { queries } from '~/api/queries'
import { useEvents } from '~/shell/live'
import { useFormats, useTexts } from '~/texts'
import { current } from '~/ui/current'
import { Empty } from '~/ui/Empty'
import { DayFilter } from '~/ui/filters'
import { ListFrame } from '~/ui/ListFrame'
import { OrderBadge } from '~/ui/OrderBadge'
import { PageHead } from '~/ui/PageHead'
import { SearchBox } from '~/ui/SearchBox'
import { SearchOn } from '~/ui/SearchOn'
import { OpenableRow, Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { BulkBar } from './BulkBar'
import type { Searched } from './find'
import { nameOf, readOrders, unitsOf } from './orders'
import { isCompared, type OrdersSearch } from './query'

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
  const { searched_to: searchedTo } = (list.data?.pages.at(-1) ?? {}) as Partial<Searched>

  const toggle = useCallback((id: string) => {
    setSelected((before) => {
      const after = new Set(before)
      if (!after.delete(id)) after.add(id)
      return after
    })
  }, [])
  const active = useRows(items, {
    open: ({ id }) => navigate({ to: '/orders/$id', params: { id } }),
    select: ({ id }) => toggle(id),
  })
  const chosen = items.filter((it) => selected.has(it.id))
  const all = (
    <input
      type="checkbox"
      aria-label={texts.orders.selectAll}
      checked={items.length > 0 && chosen.length === items.length}
      onChange={(event) => setSelected(new Set(event.target.checked ? items.map((it) => it.id) : []))}
    />
  )

  return (
    <>
      <PageHead title={texts.orders.title}>
        <FreshOrders
          search={search}
          isFirst={!list.showPrevious}
          refresh={list.refetch}
          showFirst={list.showFirst}
        />
      </PageHead>
      <div className="card">
        <Views search={search} onChange={() => setSelected(new Set())} />
        <Filters search={search} />
        {chosen.length > 0 && <BulkBar orders={chosen} onDone={() => setSelected(new Set())} />}
        <ListFrame
          list={list}
          empty={<NoOrders search={search} hasMore={list.hasNextPage} />}
          more={isCompared(search) ? <SearchOn list={list} time={searchedTo} /> : undefined}
        >
          <Table
            columns={[
              { name: all, isNarrow: true },
              texts.orders.number,
              texts.orders.customer,
              texts.orders.status,
              texts.orders.created,
              { name: texts.orders.items, isNumber: true },
              { name: texts.orders.total, isNumber: true },
            ]}
            pendingRows={list.isPending && 12}
          >
            {items.map((order, row) => (
              <Row
                key={order.id}
                order={order}
                active={row === active}
                selected={selected.has(order.id)}
                onToggle={toggle}
              />
            ))}
          </Table>
        </ListFrame>
      </div>
    </>
  )
}

function NoOrders(props: { search: OrdersSearch; hasMore: boolean }) {
  const texts = useTexts()
  const { search } = props
  // A button below searches on.
  if (props.hasMore) return <Empty icon={PackageOpen} title={texts.orders.notFoundYet} />
  if (!Object.keys(search).length)
    return <Empty icon={PackageOpen} title={texts.orders.emptyShop} lead={texts.orders.emptyShopLead} />
  if (search.q && !isCompared(search))
    return (
      <Empty
        icon={PackageOpen}
        title={texts.orders.empty}
        lead={texts.orders.emptySearch}
        action={
          <Link to="/orders" search={{ ...search, by: 'name' }} className="button">
            {texts.orders.searchNames}
          </Link>
        }
      />
    )
  return (
    <Empty
      icon={PackageOpen}
      title={texts.orders.empty}
      lead={texts.orders.emptyLead}
      action={
        <Link to="/orders" className="button">
          {texts.common.reset}
        </Link>
      }
    />
  )
}

/** Drawn again only if something of this order changes, since each key changes the list. */
const Row = memo(function Row(props: {
  order: Order
  active: boolean
  selected: boolean
  onToggle: (id: string) => void
}) {
  const { order, active, selected, onToggle } = props
  const texts = useTexts()
  const formats = useFormats()
  const navigate = useNavigate()
  return (
    <OpenableRow
      active={active}
      selected={selected}
      onOpen={() => void navigate({ to: '/orders/$id', params: { id: order.id } })}
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
    </OpenableRow>
  )
})

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
    navigate({ search: ({ by: _, ...before }) => ({ ...before, [name]: value || undefined }), replace: true })
  return (
    <div className="row filters no-print">
      <SearchBox
        value={search.q ?? ''}
        label={texts.orders.search}
        onSearch={(words) => change('q', words)}
      />
      <DayFilter
        label={texts.orders.from}
        isLabelShown
        value={search.from}
        max={search.to}
        onChange={(day) => change('from', day)}
      />
      <DayFilter
        label={texts.orders.to}
        isLabelShown
        value={search.to}
        min={search.from}
        onChange={(day) => change('to', day)}
      />
      {search.customer && (
        <button type="button" className="button plain" onClick={() => void change('customer', '')}>
          {texts.orders.oneCustomer} ✕
        </button>
      )}
    </div>
  )
}

/** A button that shows new orders, which are in the first part of the list, unless it has read them already. */
function FreshOrders(props: {
  search: OrdersSearch
  isFirst: boolean
  refresh: () => Promise<unknown>
  showFirst: () => void
}) {
  const texts = useTexts()
  const [fresh, setFresh] = useState(0)
  const { search, isFirst, refresh, showFirst } = props
  useEvents(
    useCallback(
      (events) => {
        const created = events.filter((it) => it.type === 'order.created').length
        const others = events.some((it) => it.type.startsWith('order.') && it.type !== 'order.created')
        // At the top of the page nothing moves that someone reads, so that the list is read at once.
        if (isFirst && scrollY < 80 && (created || others)) void refresh()
        else if (created) setFresh((before) => before + created)
      },
      [refresh, isFirst],
    ),
  )
  if (!fresh) return null
  return (
    <button
      type="button"
      className="button"
      onClick={() => {
        setFresh(0)
        showFirst()
        void queries.invalidateQueries({ queryKey: ['orders', search] })
      }}
    >
      {texts.orders.fresh(fresh)}
    </button>
  )
}
