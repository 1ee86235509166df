import { useTexts } from '~/texts'
import type { Export } from './exports'

const COLOURS = { queued: '', running: 'blue', done: 'green', failed: 'red', cancelled: '' }

/** The status of an export; of one that is being written, how far it is. */
export function ExportState(props: { item: Export }) {
  const { status, progress } = props.item
  const texts = useTexts()
  if (status !== 'running')
    return <span className={`badge ${COLOURS[status]}`}>{texts.exports.statuses[status]}</span>
  return (
    <span className="progress">
      <progress max={100} value={progress} aria-label={texts.exports.statuses.running} />
      <span className="number small">{progress} %</span>
    </span>
  )
}
