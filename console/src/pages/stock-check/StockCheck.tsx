import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ShieldAlert, ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { reread } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { complain } from '~/ui/problems'
import { Table } from '~/ui/Table'
import { say } from '~/ui/toast'
import { RepairDialog } from './RepairDialog'

type Check = Schemas['StockCheckResponse']
export type Drift = Schemas['StockDrift']
const POLL_MS = 2000

export function StockCheck() {
  const texts = useTexts()
  const query = useQuery({
    queryKey: ['stock-check'],
    queryFn: () => body(api.GET('/api/v1/admin/stock-check')),
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? POLL_MS : false),
  })
  const starting = useMutation({
    mutationFn: (full: boolean) => body(api.POST('/api/v1/admin/stock-check', { body: { full } })),
    onSuccess: () => say(texts.stockCheck.started),
    onError: (problem) => complain(problem, texts),
    onSettled: () => reread('stock-check'),
  })
  const busy = starting.isPending || query.data?.status === 'running'
  return (
    <>
      <PageHead title={texts.nav.stockCheck} lead={texts.stockCheck.lead}>
        <div className="row">
          <button type="button" className="button" disabled={busy} onClick={() => starting.mutate(true)}>
            {texts.stockCheck.startFull}
          </button>
          <button
            type="button"
            className="button primary"
            disabled={busy}
            onClick={() => starting.mutate(false)}
          >
            {texts.stockCheck.start}
          </button>
        </div>
      </PageHead>
      <Loaded query={query} lines={5}>
        {(check) => <Result check={check} />}
      </Loaded>
    </>
  )
}

function Result(props: { check: Check }) {
  const texts = useTexts()
  const { count, dateTime } = useFormats()
  const { check } = props
  if (!check.status)
    return (
      <div className="card">
        <Empty icon={ShieldCheck} title={texts.stockCheck.never} lead={texts.stockCheck.neverLead} />
      </div>
    )
  const figures: [string, number | null][] = [
    [texts.stockCheck.checked, check.checked],
    [texts.stockCheck.orders, check.orders_checked],
    [texts.stockCheck.unsettled, check.unsettled],
    [texts.stockCheck.drifted, check.drift_count],
  ]
  return (
    <div className="stack">
      <div className={check.drift_count ? 'note danger' : check.status === 'done' ? 'note good' : 'note'}>
        {check.drift_count ? <ShieldAlert size={18} aria-hidden /> : <ShieldCheck size={18} aria-hidden />}
        <div role="status">
          <strong>{texts.stockCheck.statuses[check.status]}</strong>{' '}
          {check.started_at && texts.stockCheck.begun(dateTime(check.started_at))}
          {check.status === 'done' && !check.drift_count && ` ${texts.stockCheck.clean}`}
        </div>
      </div>
      <div className="tiles">
        {figures.map(([name, value]) => (
          <div key={name} className="tile">
            <span className="value">{value === null ? '–' : count(value)}</span>
            <span>{name}</span>
          </div>
        ))}
      </div>
      {check.drift.length > 0 && <DriftTable drift={check.drift} />}
    </div>
  )
}

function DriftTable(props: { drift: Drift[] }) {
  const texts = useTexts()
  const { count } = useFormats()
  const [repairing, setRepairing] = useState<Drift | null>(null)
  const units = (it: Drift['available']) =>
    `${count(it.stored)} → ${count(it.expected)} (${it.difference > 0 ? '+' : ''}${count(it.difference)})`
  return (
    <div className="card">
      <Table
        columns={[
          texts.order.product,
          { name: texts.stockCheck.available, isNumber: true },
          { name: texts.stockCheck.reserved, isNumber: true },
          texts.stockCheck.findings,
          { name: texts.stockCheck.repair, isHidden: true },
        ]}
      >
        {props.drift.map((it) => (
          <tr key={`${it.product_id} ${it.shard}`}>
            <td className="mono break wide">
              <Link to="/products/$id" params={{ id: it.product_id }}>
                {it.product_id}
              </Link>
              {it.shard > 0 && ` #${it.shard}`}
            </td>
            <td className="number">{units(it.available)}</td>
            <td className="number">{units(it.reserved)}</td>
            <td className="break">
              {[...new Set(it.findings.map((finding) => finding.code))].join(', ')}
              {it.findings_count > it.findings.length && ` … ${count(it.findings_count)}`}
            </td>
            <td className="end">
              {it.repaired_at ? (
                <span className="badge green">{texts.stockCheck.repaired}</span>
              ) : (
                <button type="button" className="button" onClick={() => setRepairing(it)}>
                  {texts.stockCheck.repair}
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {repairing && <RepairDialog drift={repairing} onClose={() => setRepairing(null)} />}
    </div>
  )
}
