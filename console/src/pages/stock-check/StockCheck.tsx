import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ShieldAlert, ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { queries } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { complain, Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { say } from '~/ui/toast'
import { RepairDialog } from './RepairDialog'

type Check = Schemas['StockCheckResponse']
export type Drift = Schemas['StockDrift']
const POLL_MS = 2000

export function StockCheck() {
  const texts = useTexts()
  const { data, error, refetch } = useQuery({
    queryKey: ['stock-check'],
    queryFn: () => body(api.GET('/api/v1/admin/stock-check')),
    refetchInterval: (query) => (query.state.data?.status === 'running' ? POLL_MS : false),
  })
  const starting = useMutation({
    mutationFn: (full: boolean) => body(api.POST('/api/v1/admin/stock-check', { body: { full } })),
    onSuccess: () => say(texts.stockCheck.started),
    onError: (problem) => complain(problem, texts),
    onSettled: () => queries.invalidateQueries({ queryKey: ['stock-check'] }),
  })
  const busy = starting.isPending || data?.status === 'running'
  return (
    <>
      <header>
        <h1>{texts.nav.stockCheck}</h1>
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
      </header>
      <p className="quiet">{texts.stockCheck.lead}</p>
      {error && !data ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : data ? (
        <Result check={data} />
      ) : (
        <Skeleton lines={5} />
      )}
    </>
  )
}

function Result(props: { check: Check }) {
  const texts = useTexts()
  const { count, dateTime } = useFormats()
  const { check } = props
  if (!check.status) return <Empty title={texts.stockCheck.never} lead={texts.stockCheck.neverLead} />
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
      <div className="table-box">
        <table className="table cards">
          <thead>
            <tr>
              <th>{texts.order.product}</th>
              <th className="number">{texts.stockCheck.available}</th>
              <th className="number">{texts.stockCheck.reserved}</th>
              <th>{texts.stockCheck.findings}</th>
              <th>
                <span className="hidden">{texts.stockCheck.repair}</span>
              </th>
            </tr>
          </thead>
          <tbody>
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
          </tbody>
        </table>
      </div>
      {repairing && <RepairDialog drift={repairing} onClose={() => setRepairing(null)} />}
    </div>
  )
}
