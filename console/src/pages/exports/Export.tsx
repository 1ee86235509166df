import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { ExportButtons } from './ExportButtons'
import { ExportState } from './ExportState'
import { type Export, fileSize, isUnfinished, readExport } from './exports'
import { Span } from './Span'

const POLL_MS = 2000

/** One export. The mails about finished exports lead here. */
export function ExportPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/exports/$id' })
  const query = useQuery({
    queryKey: ['exports', id],
    queryFn: () => readExport(id),
    refetchInterval: ({ state }) => (state.data && isUnfinished(state.data) ? POLL_MS : false),
  })
  return (
    <Loaded query={query} lines={8}>
      {(item) => (
        <>
          <PageHead
            title={texts.exports.reports[item.report]}
            parent={{ to: '/exports', name: texts.exports.title }}
            badge={<ExportState item={item} />}
            lead={<Span filters={item.filters} report={item.report} />}
          >
            <ExportButtons item={item} primary />
          </PageHead>
          {item.failure && <p className="note danger">{texts.exports.failures[item.failure]}</p>}
          {item.status === 'done' && <p className="note good">{texts.exports.ready}</p>}
          <Facts item={item} />
        </>
      )}
    </Loaded>
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
    <Card title={texts.exports.file}>
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
    </Card>
  )
}
