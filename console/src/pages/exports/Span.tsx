import { useFormats, useTexts } from '~/texts'
import type { Export, Report } from './exports'

/** The period and the statuses of an export. Its end is exclusive: the day before is the last one. */
export function Span(props: { filters: Export['filters']; report: Report }) {
  const texts = useTexts()
  const { fullDay, dateTime } = useFormats()
  const { from, to, status } = props.filters
  if (props.report === 'inventory') return <>{texts.exports.now}</>
  const last = to && fullDay(new Date(new Date(to).getTime() - 1).toISOString())
  const title = [from, to].map((it) => (it ? dateTime(it) : '…')).join(' – ')
  return (
    <span title={title}>
      {from
        ? `${fullDay(from)} – ${last ?? '…'}`
        : last
          ? texts.exports.upTo(last)
          : texts.exports.everything}
      {status && <span className="hint"> · {status.map((it) => texts.status[it]).join(', ')}</span>}
    </span>
  )
}
