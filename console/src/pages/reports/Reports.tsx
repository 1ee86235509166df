import '~/ui/chart.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { CalendarClock, Download } from 'lucide-react'
import { useMemo } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { change } from '~/format/money'
import type { ReportsSearch } from '~/router'
import { currentShop } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Chart, type Series } from '~/ui/Chart'
import { DayFilter } from '~/ui/filters'
import { PageHead } from '~/ui/PageHead'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { before, csv, eachDay, last, monthBefore, monthTo, type Period, SPANS } from './period'
import { SalesTable } from './SalesTable'

type Report = Schemas['SalesReport']
type Grouping = Schemas['SalesGrouping']
const GROUPINGS: Grouping[] = ['day', 'week', 'month', 'product', 'category']
// The API reports products of at most this many days.
const MOST_DAYS_BY_PRODUCT = 31

async function readSales(period: Period, group: Grouping): Promise<Report> {
  const query = { from: period.from, to: period.to, group_by: group }
  return body(api.GET('/api/v1/reports/sales', { params: { query } }))
}

export function Reports() {
  const texts = useTexts()
  const search = useSearch({ from: '/reports' })
  const navigate = useNavigate({ from: '/reports' })
  const { today } = useFormats()
  const group = GROUPINGS.find((it) => it === search.group) ?? 'day'
  const period = useMemo(
    () => (search.from && search.to ? { from: search.from, to: search.to } : last(30, today)),
    [search.from, search.to, today],
  )
  const shown = useQuery({
    queryKey: ['sales', 'report', period, group],
    queryFn: () => readSales(period, group),
    placeholderData: (held) => held,
  })
  const earlier = useQuery({
    queryKey: ['sales', 'report', before(period), 'day'],
    queryFn: () => readSales(before(period), 'day'),
    placeholderData: (held) => held,
  })

  const go = (to: ReportsSearch) => void navigate({ search: { ...search, ...to }, replace: true })
  const choose = (to: Grouping) => {
    // A report by product of a longer span would be refused: its last days are shown.
    const shorter = to === 'product' && eachDay(period).length > MOST_DAYS_BY_PRODUCT
    go({ group: to, ...(shorter ? last(MOST_DAYS_BY_PRODUCT, period.to) : {}) })
  }
  const report = shown.data
  return (
    <>
      <PageHead title={texts.nav.reports}>
        <div className="row">
          <Link to="/exports" search={{ tab: 'schedules', create: 'sales' }} className="button">
            <CalendarClock size={16} aria-hidden /> {texts.reports.schedule}
          </Link>
          {report && <CsvButton report={report} name={`sales-${period.from}-${period.to}-${group}.csv`} />}
        </div>
      </PageHead>
      <PeriodPicker period={period} today={today} onChange={go} />
      {shown.isError && !report ? (
        <Failed error={shown.error} retry={() => void shown.refetch()} />
      ) : (
        <>
          <Totals report={report} earlier={earlier.data} compared={before(period)} />
          <div className="card">
            <div className="views" role="tablist" aria-label={texts.reports.groupBy}>
              {GROUPINGS.map((it) => (
                <button
                  key={it}
                  type="button"
                  role="tab"
                  aria-selected={it === group}
                  onClick={() => choose(it)}
                >
                  {texts.reports.groups[it]}
                </button>
              ))}
            </div>
            <div role="tabpanel" aria-busy={shown.isFetching}>
              {!report ? (
                <div className="body tall">
                  <Skeleton lines={6} />
                </div>
              ) : (
                <>
                  {group === 'day' && <Days report={report} earlier={earlier.data} period={period} />}
                  <SalesTable report={report} group={group} />
                </>
              )}
            </div>
          </div>
        </>
      )}
    </>
  )
}

function PeriodPicker(props: { period: Period; today: string; onChange: (to: Period) => void }) {
  const texts = useTexts()
  const { period, today, onChange } = props
  const spans: [string, Period][] = [
    [texts.reports.thisMonth, monthTo(today)],
    [texts.reports.lastMonth, monthBefore(today)],
    ...SPANS.map((days): [string, Period] => [texts.reports.lastDays(days), last(days, today)]),
  ]
  return (
    <div className="row no-print">
      {spans.map(([name, span]) => (
        <button
          key={name}
          type="button"
          className="button"
          aria-pressed={span.from === period.from && span.to === period.to}
          onClick={() => onChange(span)}
        >
          {name}
        </button>
      ))}
      <DayFilter
        label={texts.orders.from}
        className="input date"
        value={period.from}
        max={period.to}
        onChange={(from) => from && onChange({ ...period, from })}
      />
      <DayFilter
        label={texts.orders.to}
        className="input date"
        value={period.to}
        min={period.from}
        max={today}
        onChange={(to) => to && onChange({ ...period, to })}
      />
    </div>
  )
}

type Totalled = { report: Report | undefined; earlier: Report | undefined; compared: Period }

/** The sums of the period, each with that of the period before. */
function Totals({ report, earlier, compared }: Totalled) {
  const texts = useTexts()
  const { money, count, day } = useFormats()
  const totals = report?.totals
  const was = earlier?.totals
  const amount = (value: string | number) =>
    money(String(value), report?.currency ?? currentShop()?.currency ?? '')
  const whole = (value: string | number) => count(Number(value))
  const figures = [
    ['revenue', amount],
    ['orders', whole],
    ['units', whole],
    ['average_order_value', amount],
    ['cancelled', whole],
    ['returned', whole],
  ] as const
  return (
    <div className="stack tight">
      <div className="tiles">
        {figures.map(([name, write]) => (
          <div key={name} className="tile">
            <span className="value small-value">
              {totals ? write(totals[name]) : <span className="skeleton w50" />}
            </span>
            <span>{texts.reports.figures[name]}</span>
            <span className="small compared">
              {totals && was && (
                <>
                  <Change
                    now={Number(totals[name])}
                    then={Number(was[name])}
                    isGood={name !== 'cancelled' && name !== 'returned'}
                  />{' '}
                  {texts.reports.was(write(was[name]))}
                </>
              )}
            </span>
          </div>
        ))}
      </div>
      <p className="hint">{texts.reports.compared(day(compared.from), day(compared.to))}</p>
    </div>
  )
}

/** `isGood`: more of it is good. */
function Change(props: { now: number; then: number; isGood: boolean }) {
  const { now, then, isGood } = props
  const percent = change(now, then)
  if (percent === null) return null
  const rises = percent >= 0
  return (
    <span className={rises === isGood || percent === 0 ? 'up' : 'error'}>
      {rises ? '▲' : '▼'} {Math.abs(percent).toFixed(0)} %
    </span>
  )
}

function Days(props: { report: Report; earlier: Report | undefined; period: Period }) {
  const texts = useTexts()
  const formats = useFormats()
  const { report, earlier, period } = props
  const series = useMemo((): Series => {
    const of = (it: Report, days: string[]) => {
      const byDay = new Map(it.series.map((entry) => [entry.key, Number(entry.revenue)]))
      return days.map((day) => byDay.get(day) ?? 0)
    }
    const days = eachDay(period)
    const now = of(report, days)
    if (!earlier) return { days, now }
    const past = of(earlier, eachDay(before(period)))
    // Months differ in length.
    return { days, now, before: days.map((_, place) => past[place] ?? null) }
  }, [report, earlier, period])
  const names = useMemo(
    () => ({ day: texts.home.day, now: texts.reports.revenue, before: texts.reports.before }),
    [texts],
  )
  const write = useMemo(
    () => (value: number) => formats.shortMoney(value, report.currency),
    [formats, report.currency],
  )
  return (
    <div className="body">
      <Chart
        series={series}
        names={names}
        label={texts.reports.revenue}
        format={write}
        day={formats.day}
        height={240}
      />
    </div>
  )
}

function CsvButton(props: { report: Report; name: string }) {
  function download() {
    const rows = props.report.series.map((it) => [it.key, it.name ?? '', it.orders, it.units, it.revenue])
    const file = new Blob([csv([['key', 'name', 'orders', 'units', 'revenue'], ...rows])], {
      type: 'text/csv',
    })
    const link = document.createElement('a')
    link.href = URL.createObjectURL(file)
    link.download = props.name
    link.click()
    URL.revokeObjectURL(link.href)
  }
  return (
    <button type="button" className="button" onClick={download}>
      <Download size={16} aria-hidden /> CSV
    </button>
  )
}
