import { useMutation } from '@tanstack/react-query'
import { CalendarClock, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useList } from '~/api/lists'
import { Problem } from '~/api/problem'
import { reread } from '~/api/queries'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { FormDialog } from '~/ui/FormDialog'
import { ListFrame } from '~/ui/ListFrame'
import { Table } from '~/ui/Table'
import { say } from '~/ui/toast'
import { deleteSchedule, readSchedules, type Schedule } from './exports'
import { useMeaning } from './When'

export function ScheduleList() {
  const texts = useTexts()
  const list = useList(['schedules'], readSchedules)
  const [deleting, setDeleting] = useState<Schedule | null>(null)
  return (
    <>
      <ListFrame
        list={list}
        empty={
          <Empty
            icon={CalendarClock}
            title={texts.exports.schedules.empty}
            lead={texts.exports.schedules.emptyLead}
          />
        }
      >
        <Table
          columns={[
            texts.exports.report,
            texts.exports.schedules.runs,
            texts.exports.schedules.recipients,
            texts.exports.schedules.covered,
            { name: texts.exports.actions, isHidden: true },
          ]}
          pendingRows={list.isPending && 3}
        >
          {list.items.map((it) => (
            <Row key={it.id} schedule={it} onDelete={() => setDeleting(it)} />
          ))}
        </Table>
      </ListFrame>
      {deleting && <DeleteSchedule schedule={deleting} onClose={() => setDeleting(null)} />}
    </>
  )
}

function Row(props: { schedule: Schedule; onDelete: () => void }) {
  const { schedule, onDelete } = props
  const texts = useTexts()
  const formats = useFormats()
  const meaning = useMeaning()
  const words = meaning(schedule.schedule)
  return (
    <tr>
      <td>
        <strong>{texts.exports.reports[schedule.report]}</strong>{' '}
        <span className="hint">{texts.exports.formats[schedule.format]}</span>
      </td>
      <td className="wide">
        <span className={words === schedule.schedule ? 'mono break' : undefined}>{words}</span>
        {words !== schedule.schedule && <div className="hint mono break">{schedule.schedule}</div>}
      </td>
      <td className="wide small quiet">
        {schedule.recipients.map((it) => (
          <div key={it} className="break">
            {it}
          </div>
        ))}
      </td>
      <td className="quiet" title={formats.dateTime(schedule.covered_until)}>
        <span className="only-cards">{texts.exports.schedules.covered} </span>
        {formats.ago(schedule.covered_until)}
      </td>
      <td className="end actions-cell">
        <button
          type="button"
          className="button icon"
          title={texts.exports.schedules.delete}
          aria-label={texts.exports.schedules.deleteOne(texts.exports.reports[schedule.report], words)}
          onClick={onDelete}
        >
          <Trash2 size={15} aria-hidden />
        </button>
      </td>
    </tr>
  )
}

function DeleteSchedule(props: { schedule: Schedule; onClose: () => void }) {
  const { schedule, onClose } = props
  const texts = useTexts()
  const meaning = useMeaning()
  const deleting = useMutation({
    mutationFn: () =>
      deleteSchedule(schedule.id).catch((error) => {
        // Someone else has deleted it: what was wanted is so.
        if (!(error instanceof Problem && error.status === 404)) throw error
      }),
    onSuccess: () => {
      say(texts.exports.schedules.deleted)
      void reread('schedules')
      onClose()
    },
  })
  return (
    <FormDialog
      title={texts.exports.schedules.deleteTitle}
      lead={`${texts.exports.reports[schedule.report]}: ${meaning(schedule.schedule)}. ${texts.exports.schedules.deleteLead}`}
      request={deleting}
      submit={texts.exports.schedules.delete}
      dismiss={texts.exports.schedules.keep}
      danger
      onSubmit={() => deleting.mutate()}
      onClose={onClose}
    />
  )
}
