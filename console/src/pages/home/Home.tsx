import '~/ui/chart.css'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useMemo } from 'react'
import type { Schemas } from '~/api/client'
import { change } from '~/format/money'
import { daysLeft, ratesOf } from '~/pages/products/cover'
import { currentShop, currentUser, isAdmin } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Chart } from '~/ui/Chart'
import { Empty } from '~/ui/Empty'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { type Count, compare, readInventory, readSales, readToDo, readTopProducts, sum } from './overview'

export function Home() {
  const texts = useTexts()
  const user = currentUser()
  const { today } = useFormats()
  const toDo = useQuery({ queryKey: ['orders', 'to-do'], queryFn: () => readToDo(isAdmin()) })
  const inventory = useQuery({ queryKey: ['inventory'], queryFn: readInventory })
  const sales = useQuery({ queryKey: ['sales', 'home', today], queryFn: () => readSales(today) })
  const top = useQuery({ queryKey: ['sales', 'top', today], queryFn: () => readTopProducts(today) })
  return (
    <>
      <header>
        <h1>{texts.home.hello(user?.first_name ?? '')}</h1>
      </header>
      <section className="tiles" aria-label={texts.home.toDo}>
        <ToDoTiles toDo={toDo.data} inventory={inventory.data} />
      </section>
      <Sales report={sales.data} error={sales.error} retry={() => void sales.refetch()} today={today} />
      <div className="halves">
        <Card title={texts.home.top} more={<Link to="/reports">{texts.nav.reports}</Link>}>
          <TopProducts report={top.data} error={top.error} retry={() => void top.refetch()} />
        </Card>
        <Card
          title={texts.home.scarce}
          more={
            <Link to="/products" search={{ view: 'soon' }}>
              {texts.home.soon}
            </Link>
          }
        >
          <Scarce
            inventory={inventory.data}
            sold={top.data}
            error={inventory.error}
            retry={() => void inventory.refetch()}
          />
        </Card>
      </div>
    </>
  )
}

function Card(props: { title: string; more?: ReactNode; children: ReactNode }) {
  return (
    <section className="card">
      <header>
        <h2>{props.title}</h2>
        <span className="small quiet">{props.more}</span>
      </header>
      {props.children}
    </section>
  )
}

function ToDoTiles(props: {
  toDo: Awaited<ReturnType<typeof readToDo>> | undefined
  inventory: Schemas['InventoryReport'] | undefined
}) {
  const texts = useTexts()
  const { count } = useFormats()
  const { toDo, inventory } = props
  const write = (it: Count) => (it.more ? texts.home.moreThan(count(it.least)) : count(it.least))
  return (
    <>
      <Tile
        name={texts.home.confirm}
        value={toDo && write(toDo.toConfirm)}
        urgent={!!toDo?.toConfirm.least}
        to="/orders"
        search={{ status: 'pending' }}
      />
      <Tile
        name={texts.home.ship}
        value={toDo && write(toDo.toShip)}
        urgent={!!toDo?.toShip.least}
        to="/orders"
        search={{ status: 'confirmed' }}
      />
      <Tile
        name={texts.home.out}
        value={inventory && count(inventory.totals.out)}
        bad={!!inventory?.totals.out}
        to="/products"
        search={{ view: 'out' }}
      />
      <Tile
        name={texts.home.low}
        value={inventory && count(inventory.totals.low)}
        to="/products"
        search={{ view: 'low' }}
      />
      {isAdmin() && (
        <>
          <Tile
            name={texts.home.failedDeliveries}
            value={toDo && count(toDo.failedDeliveries)}
            bad={!!toDo?.failedDeliveries}
            to="/webhooks"
          />
          <Tile
            name={texts.home.deadLetters}
            value={toDo && count(toDo.deadLetters)}
            bad={!!toDo?.deadLetters}
            to="/events"
          />
        </>
      )}
    </>
  )
}

function Tile(props: {
  name: string
  value: string | undefined
  to: string
  search?: Record<string, string>
  urgent?: boolean
  bad?: boolean
}) {
  const tone = props.bad ? 'tile bad' : props.urgent ? 'tile urgent' : 'tile'
  return (
    <Link to={props.to} search={props.search ?? {}} className={tone}>
      <span className="value">{props.value ?? <span className="skeleton w40" />}</span>
      <span>{props.name}</span>
    </Link>
  )
}

function Sales(props: {
  report: Schemas['SalesReport'] | undefined
  error: Error | null
  retry: () => void
  today: string
}) {
  const texts = useTexts()
  const formats = useFormats()
  const { report, error, today } = props
  const revenue = useMemo(() => report && compare(report, today, 'revenue'), [report, today])
  const orders = useMemo(() => report && compare(report, today, 'orders'), [report, today])
  const names = useMemo(
    () => ({ day: texts.home.day, now: texts.home.now, before: texts.home.before }),
    [texts],
  )
  const currency = report?.currency ?? currentShop()?.currency ?? ''
  const write = useMemo(() => (value: number) => formats.shortMoney(value, currency), [formats, currency])
  if (error && !report) return <Failed error={error} retry={props.retry} />
  if (!revenue || !orders)
    return (
      <div className="halves">
        <div className="card">
          <div className="body tall">
            <Skeleton lines={6} />
          </div>
        </div>
        <div className="card">
          <div className="body tall">
            <Skeleton lines={6} />
          </div>
        </div>
      </div>
    )
  return (
    <div className="halves">
      <Plot
        title={texts.home.revenue}
        total={formats.money(sum(revenue.now).toFixed(2), currency)}
        percent={change(sum(revenue.now), sum(revenue.before))}
      >
        <Chart series={revenue} names={names} label={texts.home.revenue} format={write} day={formats.day} />
      </Plot>
      <Plot
        title={texts.home.orders}
        total={formats.count(sum(orders.now))}
        percent={change(sum(orders.now), sum(orders.before))}
      >
        <Chart
          series={orders}
          names={names}
          label={texts.home.orders}
          format={formats.count}
          day={formats.day}
        />
      </Plot>
    </div>
  )
}

function Plot(props: { title: string; total: string; percent: number | null; children: ReactNode }) {
  const texts = useTexts()
  const { percent } = props
  return (
    <Card title={props.title} more={texts.home.days}>
      <div className="body">
        <div className="row figure">
          <strong>{props.total}</strong>
          {percent !== null && (
            <span className={percent < 0 ? 'error' : 'up'}>
              {percent < 0 ? '▼' : '▲'} {Math.abs(percent).toFixed(0)} % {texts.home.thanBefore}
            </span>
          )}
        </div>
        {props.children}
      </div>
    </Card>
  )
}

function TopProducts(props: {
  report: Schemas['SalesReport'] | undefined
  error: Error | null
  retry: () => void
}) {
  const texts = useTexts()
  const { money, count } = useFormats()
  const { report } = props
  const best = report?.series.slice(0, 6) ?? []
  if (props.error && !report) return <Failed error={props.error} retry={props.retry} />
  if (!report)
    return (
      <div className="body">
        <Skeleton lines={5} />
      </div>
    )
  if (!report.series.length) return <Empty title={texts.home.noSales} />
  const most = Number(best[0]?.revenue ?? 1) || 1
  return (
    <ol className="ranks">
      {best.map((it) => (
        <li key={it.key}>
          <Link to="/products/$id" params={{ id: it.key }} className="break">
            {it.name ?? it.key}
          </Link>
          <span className="number quiet">{count(it.units)} ×</span>
          <span className="number">{money(it.revenue, report.currency)}</span>
          <meter min={0} max={most} value={Number(it.revenue)} aria-label={texts.home.revenue} />
        </li>
      ))}
    </ol>
  )
}

/** The products that are out or low, and for how many days the rest will last at the sales of the last 30. */
function Scarce(props: {
  inventory: Schemas['InventoryReport'] | undefined
  sold: Schemas['SalesReport'] | undefined
  error: Error | null
  retry: () => void
}) {
  const texts = useTexts()
  const { count } = useFormats()
  const { inventory, sold } = props
  if (props.error && !inventory) return <Failed error={props.error} retry={props.retry} />
  if (!inventory)
    return (
      <div className="body">
        <Skeleton lines={5} />
      </div>
    )
  const scarce = [...inventory.out, ...inventory.low].slice(0, 6)
  if (!scarce.length) return <Empty title={texts.home.allThere} />
  const rates = sold ? ratesOf(sold) : new Map()
  return (
    <ul className="ranks">
      {scarce.map((it) => {
        const days = daysLeft(it.product_id, it.available, rates)
        return (
          <li key={it.product_id}>
            <Link to="/products/$id" params={{ id: it.product_id }} className="break">
              {it.name}
            </Link>
            <span className="number quiet">
              {it.available > 0 && days !== null ? texts.home.lasts(days) : ''}
            </span>
            <span className={it.available > 0 ? 'badge amber' : 'badge red'}>{count(it.available)}</span>
          </li>
        )
      })}
    </ul>
  )
}
