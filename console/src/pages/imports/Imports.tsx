import '~/ui/detail.css'
import { useMutation } from '@tanstack/react-query'
import { Download, FileUp } from 'lucide-react'
import { useState } from 'react'
import { useList } from '~/api/lists'
import { reread } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { complain } from '~/ui/problems'
import { Table } from '~/ui/Table'
import { say } from '~/ui/toast'
import { CreateImport } from './CreateImport'
import {
  cancelImport,
  downloadErrors,
  type Import,
  isMoving,
  isUnfinished,
  POLL_MS,
  readImports,
} from './imports'

/** The imports of the last 30 days, how far they are, and the errors of their rows. */
export function Imports() {
  const texts = useTexts()
  const [isCreating, setCreating] = useState(false)
  const list = useList(['imports'], readImports, {
    poll: (items) => (items.some(isMoving) ? POLL_MS : false),
  })
  return (
    <>
      <PageHead title={texts.nav.imports} lead={texts.imports.lead}>
        <button type="button" className="button primary" onClick={() => setCreating(true)}>
          {texts.imports.create}
        </button>
      </PageHead>
      <div className="card">
        <ListFrame
          list={list}
          empty={<Empty icon={FileUp} title={texts.imports.empty} lead={texts.imports.emptyLead} />}
        >
          <Table
            columns={[
              texts.imports.kind,
              texts.imports.status,
              texts.imports.rows,
              { name: texts.imports.failed, isNumber: true },
              texts.imports.created,
              { name: texts.imports.actions, isHidden: true },
            ]}
            pendingRows={list.isPending && 6}
          >
            {list.items.map((it) => (
              <Row key={it.id} item={it} />
            ))}
          </Table>
        </ListFrame>
      </div>
      {isCreating && <CreateImport onClose={() => setCreating(false)} />}
    </>
  )
}

function Row(props: { item: Import }) {
  const { item } = props
  const texts = useTexts()
  const formats = useFormats()
  return (
    <tr>
      <td>
        <strong>{texts.imports.kinds[item.kind]}</strong>
        {item.dry_run && <span className="hint"> {texts.imports.dryRun}</span>}
        <div className="hint mono break">{item.id}</div>
      </td>
      <td className="state">
        <State item={item} />
      </td>
      <td className="wide small quiet">
        {texts.imports.counts(
          formats.count(item.created),
          formats.count(item.updated),
          formats.count(item.unchanged),
        )}
        {item.failure && (
          <div className="error break">
            {texts.imports.failures[item.failure]} {item.failure_detail}
          </div>
        )}
      </td>
      <td className={item.failed ? 'number error' : 'number quiet'}>
        <span className="only-card">{texts.imports.failed} </span>
        {formats.count(item.failed)}
      </td>
      <td className="quiet" title={formats.dateTime(item.created_at)}>
        {formats.ago(item.created_at)}
      </td>
      <td className="end actions-cell">
        <Buttons item={item} />
      </td>
    </tr>
  )
}

const COLOURS = { created: '', queued: '', running: 'blue', done: 'green', failed: 'red', cancelled: '' }

/** The status of an import; of one that is being applied, how far it is. */
function State(props: { item: Import }) {
  const { status, progress } = props.item
  const texts = useTexts()
  if (status !== 'running')
    return <span className={`badge ${COLOURS[status]}`}>{texts.imports.statuses[status]}</span>
  return (
    <span className="progress">
      <progress max={100} value={progress} aria-label={texts.imports.statuses.running} />
      <span className="number small">{progress} %</span>
    </span>
  )
}

/** Cancels an import that has not ended, or downloads the errors of one that has some. */
function Buttons(props: { item: Import }) {
  const { item } = props
  const texts = useTexts()
  const unfinished = isUnfinished(item)
  const acting = useMutation({
    mutationFn: () => (unfinished ? cancelImport(item.id) : downloadErrors(item.id)),
    onSuccess: () => unfinished && say(texts.imports.cancelled),
    onError: (error) => complain(error, texts),
    // Also after a refusal, since it means that the import has ended meanwhile.
    onSettled: () => reread('imports'),
  })
  if (!unfinished && !item.failed) return null
  return (
    <button type="button" className="button" disabled={acting.isPending} onClick={() => acting.mutate()}>
      {unfinished ? (
        texts.common.cancel
      ) : (
        <>
          <Download size={15} aria-hidden /> {texts.imports.errors}
        </>
      )}
    </button>
  )
}
