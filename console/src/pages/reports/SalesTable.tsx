import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Schemas } from '~/api/client'
import { readProduct } from '~/pages/products/products'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Table } from '~/ui/Table'

type Report = Schemas['SalesReport']
const STEP = 20

/** The rows of a report. The API names the products with the most revenue; the names of further ones are read. */
export function SalesTable(props: { report: Report; group: Schemas['SalesGrouping'] }) {
  const texts = useTexts()
  const { money, count } = useFormats()
  const { report, group } = props
  const [shown, setShown] = useState(STEP)
  const byTime = group === 'day' || group === 'week' || group === 'month'
  const rows = (byTime ? report.series.toReversed() : report.series).slice(0, shown)
  if (!rows.length) return <Empty title={texts.home.noSales} lead={texts.reports.otherPeriod} />
  return (
    <>
      <Table
        className=""
        columns={[
          texts.reports.groups[group],
          { name: texts.reports.orders, isNumber: true },
          { name: texts.reports.units, isNumber: true },
          { name: texts.reports.revenue, isNumber: true },
        ]}
      >
        {rows.map((it) => (
          <tr key={it.key}>
            <td className={byTime ? 'nowrap' : 'break'}>
              {group === 'product' ? (
                <ProductName id={it.key} name={it.name ?? null} />
              ) : (
                <Key value={it.key} group={group} />
              )}
            </td>
            <td className="number">{count(it.orders)}</td>
            <td className="number">{count(it.units)}</td>
            <td className="number">{money(it.revenue, report.currency)}</td>
          </tr>
        ))}
      </Table>
      <LoadMore
        shown={shown}
        hasMore={shown < report.series.length}
        busy={false}
        more={() => setShown((it) => it + STEP)}
      />
    </>
  )
}

function Key(props: { value: string; group: Schemas['SalesGrouping'] }) {
  const formats = useFormats()
  return props.group === 'day' ? formats.day(props.value) : props.value
}

function ProductName(props: { id: string; name: string | null }) {
  const { data } = useQuery({
    queryKey: ['product', props.id],
    queryFn: () => readProduct(props.id),
    enabled: props.name === null,
  })
  return (
    <Link to="/products/$id" params={{ id: props.id }}>
      {props.name ?? data?.name ?? props.id}
    </Link>
  )
}
