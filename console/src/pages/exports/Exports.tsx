import '~/ui/detail.css'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useTexts } from '~/texts'
import { current } from '~/ui/current'
import { PageHead } from '~/ui/PageHead'
import { CreateExport } from './CreateExport'
import { CreateSchedule } from './CreateSchedule'
import { ExportList } from './ExportList'
import { ScheduleList } from './ScheduleList'

/** The exports of the last 30 days, and the schedules that make them regularly. */
export function Exports() {
  const texts = useTexts()
  const { tab, create } = useSearch({ from: '/exports' })
  const navigate = useNavigate({ from: '/exports' })
  const [isCreating, setCreating] = useState(false)
  const isSchedules = tab === 'schedules'
  const close = () => {
    setCreating(false)
    if (create) void navigate({ search: { tab }, replace: true })
  }
  return (
    <>
      <PageHead
        title={texts.exports.title}
        lead={isSchedules ? texts.exports.schedules.lead : texts.exports.lead}
      >
        <button type="button" className="button primary" onClick={() => setCreating(true)}>
          {isSchedules ? texts.exports.schedules.create : texts.exports.create}
        </button>
      </PageHead>
      <section className="card">
        <nav className="views" aria-label={texts.exports.title}>
          <Link to="/exports" search={{}} {...current(!isSchedules)}>
            {texts.exports.files}
          </Link>
          <Link to="/exports" search={{ tab: 'schedules' }} {...current(isSchedules)}>
            {texts.exports.schedules.title}
          </Link>
        </nav>
        {isSchedules ? <ScheduleList /> : <ExportList />}
      </section>
      {(isCreating || create) &&
        (isSchedules ? <CreateSchedule wanted={create} onClose={close} /> : <CreateExport onClose={close} />)}
    </>
  )
}
