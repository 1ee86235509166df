import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ScrollText } from 'lucide-react'
import { useList } from '~/api/lists'
import type { AuditSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { ChoiceFilter, DayFilter } from '~/ui/filters'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { SearchOn } from '~/ui/SearchOn'
import { Table } from '~/ui/Table'
import { withCurrent } from '~/ui/withCurrent'
import { ACTIONS, type Entry, pageOf, readEntries, type Searched } from './audit'
import { useStaff } from './useStaff'

export function Audit() {
  const texts = useTexts()
  const search = useSearch({ from: '/audit' })
  const list = useList(['audit', search], (cursor) => readEntries(search, cursor))
  const { searched_to: searchedTo } = (list.data?.pages.at(-1) ?? {}) as Partial<Searched>
  return (
    <>
      <PageHead title={texts.nav.audit} />
      <p className="note good">{texts.audit.seal}</p>
      <div className="card">
        <Filters search={search} />
        <ListFrame
          list={list}
          empty={<Empty icon={ScrollText} title={texts.audit.empty} lead={texts.audit.emptyLead} />}
          more={search.target ? <SearchOn list={list} time={searchedTo} /> : undefined}
        >
          <Table
            columns={[
              texts.audit.at,
              texts.audit.action,
              texts.audit.actor,
              texts.audit.target,
              texts.audit.outcome,
            ]}
            pendingRows={list.isPending && 12}
          >
            {list.items.map((it) => (
              <Row key={it.id} entry={it} />
            ))}
          </Table>
        </ListFrame>
      </div>
    </>
  )
}

function Row(props: { entry: Entry }) {
  const texts = useTexts()
  const formats = useFormats()
  const { entry } = props
  return (
    <tr>
      <td className="quiet" title={entry.id}>
        {formats.dateTime(entry.at)}
      </td>
      <td>
        <Link to="/audit" search={(now) => ({ ...now, action: entry.action })}>
          {entry.action}
        </Link>
        {entry.details && <Details details={entry.details} />}
      </td>
      <td className="break">
        <Actor entry={entry} />
      </td>
      <td className="mono break wide">{entry.target && <Target target={entry.target} />}</td>
      <td>
        <span className={entry.outcome === 'success' ? 'badge green' : 'badge red'}>
          {texts.audit.outcomes[entry.outcome]}
        </span>
      </td>
    </tr>
  )
}

function Actor(props: { entry: Entry }) {
  const texts = useTexts()
  const staff = useStaff()
  const { actor_id: id, actor_role: role } = props.entry
  const email = id && staff.data?.get(id)?.email
  return (
    <>
      {id && (
        <Link
          to="/audit"
          search={(now) => ({ ...now, actor: id })}
          className={email ? undefined : 'mono'}
          title={id}
        >
          {email ?? id}
        </Link>
      )}{' '}
      {role && <span className="quiet">{roleName(role, texts)}</span>}
    </>
  )
}

function Target(props: { target: string }) {
  const to = pageOf(props.target)
  return to ? <Link to={to}>{props.target}</Link> : props.target
}

function Details(props: { details: Record<string, unknown> }) {
  return (
    <div className="hint break">
      {Object.entries(props.details)
        .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join(', ')}
    </div>
  )
}

function Filters(props: { search: AuditSearch }) {
  const texts = useTexts()
  const staff = useStaff()
  const navigate = useNavigate({ from: '/audit' })
  const { search } = props
  const go = (to: AuditSearch) => navigate({ search: (before) => ({ ...before, ...to }), replace: true })
  return (
    <div className="row filters no-print">
      <ChoiceFilter
        label={texts.audit.action}
        all={texts.audit.allActions}
        isData
        options={withCurrent(
          ACTIONS.map((it) => [it, it]),
          search.action,
        )}
        value={search.action}
        onChange={(action) => void go({ action })}
      />
      <ChoiceFilter
        label={texts.audit.actor}
        all={texts.audit.allActors}
        isData
        options={withCurrent(
          [...(staff.data?.values() ?? [])].map((it) => [it.id, it.email]),
          search.actor,
        )}
        value={search.actor}
        onChange={(actor) => void go({ actor })}
      />
      {search.target && (
        <button type="button" className="button plain" onClick={() => void go({ target: '' })}>
          <span className="mono">{search.target}</span> ✕
        </button>
      )}
      <DayFilter
        label={texts.orders.from}
        isLabelShown
        value={search.from}
        onChange={(from) => go({ from })}
      />
      <DayFilter label={texts.orders.to} isLabelShown value={search.to} onChange={(to) => go({ to })} />
      {Object.keys(search).length > 0 && (
        <Link to="/audit" className="button plain">
          {texts.common.reset}
        </Link>
      )}
    </div>
  )
}
