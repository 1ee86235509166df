import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ArrowLeft } from 'lucide-react'
import { useFormats, useTexts } from '~/texts'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { ExportButtons } from './ExportButtons'
import { ExportState } from './ExportState'
import { type Export, fileSize, isUnfinished, readExport } from './exports'
import { Span } from './Span'

const POLL_MS = 2000

/** One export. The mails about finished exports lead here. */
export function ExportPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/exports/$id' })
  const { data, error, refetch } = useQuery({
    queryKey: ['exports', id],
    queryFn: () => readExport(id),
    refetchInterval: (query) => (query.state.data && isUnfinished(query.state.data) ? POLL_MS : false),
  })
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton lines={8} />
  return (
    <>
      <header>
        <div className="stack tight">
          <Link to="/exports" className="row quiet small no-print back">
            <ArrowLeft size={14} aria-hidden />
            {texts.exports.title}
          </Link>
          <div className="row">
            <h1>{texts.exports.reports[data.report]}</h1>
            <ExportState item={data} />
          </div>
          <p className="quiet">
            <Span filters={data.filters} report={data.report} />
          </p>
        </div>
        <ExportButtons item={data} primary />
      </header>
      {data.failure && <p className="note danger">{texts.exports.failures[data.failure]}</p>}
      {data.status === 'done' && <p className="note good">{texts.exports.ready}</p>}
      <Facts item={data} />
    </>
  )
}

function Facts(props: { item: Export }) {
  const { item } = props
  const texts = useTexts()
  const formats = useFormats()
  const rows: [string, string | null][] = [
    [texts.exports.rows, formats.count(item.rows)],
    [texts.exports.size, item.size === null ? null : fileSize(item.size, formats.locale)],
    [
      texts.exports.format,
      [
        texts.exports.formats[item.format],
        item.gzip ? texts.exports.form.gzip : '',
        item.bom ? texts.exports.form.bom : '',
      ]
        .filter(Boolean)
        .join(' · '),
    ],
    [texts.exports.requested, formats.dateTime(item.created_at)],
    [texts.exports.finished, item.finished_at && formats.dateTime(item.finished_at)],
  ]
  return (
    <section className="card">
      <header>
        <h2>{texts.exports.file}</h2>
      </header>
      <dl className="facts wide">
        {rows
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        <div>
          <dt>{texts.exports.columns}</dt>
          <dd className="mono break">{item.columns.join(', ')}</dd>
        </div>
        {item.sha256 && (
          <div>
            <dt>{texts.exports.digest}</dt>
            <dd className="mono break">{item.sha256}</dd>
          </div>
        )}
      </dl>
    </section>
  )
}
