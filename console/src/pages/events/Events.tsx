import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { EventsSearch } from '~/router'
import { useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { current } from '~/ui/current'
import { Field } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { textOf } from '~/ui/FormParts'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { EventDetail } from './EventDetail'
import { EventLog } from './EventLog'
import { grouped, nameOfType, readEvent, TEST_TYPE, useCatalogue } from './events'
import { LiveEvents } from './LiveEvents'

/** The events as they happen, and the log of the last 90 days in its own order, which is the oldest first. */
export function Events() {
  const texts = useTexts()
  const search = useSearch({ from: '/events' })
  const [isFinding, setFinding] = useState(false)
  const isLog = search.view === 'log'
  return (
    <>
      <PageHead title={texts.events.title} lead={isLog ? texts.events.logLead : texts.events.liveLead}>
        <button type="button" className="button" onClick={() => setFinding(true)}>
          {texts.events.find}
        </button>
      </PageHead>
      <OneEvent search={search} />
      <section className="card">
        <Views search={search} />
        <Filters search={search} />
        {isLog ? <EventLog search={search} /> : <LiveEvents search={search} />}
      </section>
      {isFinding && <Find onClose={() => setFinding(false)} />}
    </>
  )
}

function Views(props: { search: EventsSearch }) {
  const texts = useTexts()
  const { type, view } = props.search
  const kept = type ? { type } : {}
  return (
    <nav className="views" aria-label={texts.events.title}>
      <Link to="/events" search={kept} {...current(view !== 'log')}>
        {texts.events.live}
      </Link>
      <Link to="/events" search={{ ...kept, view: 'log' }} {...current(view === 'log')}>
        {texts.events.log}
      </Link>
    </nav>
  )
}

function Filters(props: { search: EventsSearch }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/events' })
  const { data: types } = useCatalogue()
  const { type = '', after } = props.search
  const groups = grouped((types ?? []).filter((it) => it.type !== TEST_TYPE))
  const known = groups.some(([group, its]) => type === `${group}.*` || its.some((it) => it.type === type))
  const change = (changes: EventsSearch) =>
    void navigate({ search: (before) => ({ ...before, ...changes }), replace: true })
  return (
    <div className="row filters no-print">
      <label className="row">
        <span className="hint">{texts.events.type}</span>
        <select
          className="input"
          value={type}
          onChange={(event) => change({ type: event.target.value || undefined })}
        >
          <option value="">{texts.common.all}</option>
          {type && !known && <option value={type}>{type}</option>}
          {groups.map(([group, its]) => (
            <optgroup key={group} label={group}>
              <option value={`${group}.*`}>{nameOfType(`${group}.*`, texts)}</option>
              {its.map((it) => (
                <option key={it.type} value={it.type}>
                  {nameOfType(it.type, texts)}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </label>
      {after && (
        <button type="button" className="button plain" onClick={() => change({ after: undefined })}>
          {texts.events.afterOne} ✕
        </button>
      )}
    </div>
  )
}

/** The event of the address, which need not be in the list below. */
function OneEvent(props: { search: EventsSearch }) {
  const texts = useTexts()
  const { event: id, ...rest } = props.search
  const query = useQuery({
    queryKey: ['event', id],
    queryFn: () => readEvent(id ?? ''),
    enabled: !!id,
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (!id) return null
  const { data } = query
  return (
    <Card
      title={data ? nameOfType(data.type, texts) : texts.events.one}
      aside={
        <Link to="/events" search={rest} replace resetScroll={false} className="button plain">
          {texts.common.close}
        </Link>
      }
    >
      <div className="body">
        <Loaded query={query} lines={5}>
          {(event) => <EventDetail event={event} />}
        </Loaded>
      </div>
    </Card>
  )
}

function Find(props: { onClose: () => void }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/events' })
  const submit = (form: FormData) => {
    const id = textOf(form, 'id')
    if (!id) return
    props.onClose()
    void navigate({ search: (before) => ({ ...before, event: id }) })
  }
  return (
    <FormDialog
      title={texts.events.find}
      lead={texts.events.findLead}
      request={{ isPending: false, error: null }}
      submit={texts.events.findSubmit}
      onSubmit={submit}
      onClose={props.onClose}
    >
      <Field name="id" label={texts.events.id} maxLength={128} autoComplete="off" required autoFocus />
    </FormDialog>
  )
}
