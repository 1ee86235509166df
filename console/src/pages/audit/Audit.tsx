import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ScrollText } from 'lucide-react'
import { api, body, type Page, type Schemas } from '~/api/client'
import { useList } from '~/api/lists'
import { given } from '~/api/query'
import type { AuditSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { DayFilter, TextFilter } from '~/ui/filters'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { Table } from '~/ui/Table'

type Entry = Schemas['AuditEntryResponse']

async function readEntries(search: AuditSearch, cursor?: string): Promise<Page<Entry>> {
  const query = {
    limit: 50,
    ...given({
      cursor,
      actor: search.actor && [search.actor],
      action: search.action && [search.action],
      from: search.from,
      to: search.to,
    }),
  }
  return body(api.GET('/api/v1/admin/audit', { params: { query } }))
}

export function Audit() {
  const texts = useTexts()
  const search = useSearch({ from: '/audit' })
  const list = useList(['audit', search], (cursor) => readEntries(search, cursor))
  return (
    <>
      <PageHead title={texts.nav.audit} />
      <p className="note good">{texts.audit.seal}</p>
      <div className="card">
        <Filters search={search} />
        <ListFrame
          list={list}
          empty={<Empty icon={ScrollText} title={texts.audit.empty} lead={texts.audit.emptyLead} />}
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
        {entry.actor_id && (
          <Link to="/audit" search={(now) => ({ ...now, actor: entry.actor_id ?? '' })} className="mono">
            {entry.actor_id}
          </Link>
        )}{' '}
        {entry.actor_role && <span className="quiet">{roleName(entry.actor_role, texts)}</span>}
      </td>
      <td className="mono break wide">{entry.target}</td>
      <td>
        <span className={entry.outcome === 'success' ? 'badge green' : 'badge red'}>
          {texts.audit.outcomes[entry.outcome]}
        </span>
      </td>
    </tr>
  )
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
  const navigate = useNavigate({ from: '/audit' })
  const { search } = props
  const go = (to: AuditSearch) => navigate({ search: (before) => ({ ...before, ...to }), replace: true })
  return (
    <div className="row filters no-print">
      <TextFilter
        label={texts.audit.action}
        hint={texts.audit.actionHint}
        value={search.action}
        onChange={(action) => go({ action })}
      />
      <TextFilter
        label={texts.audit.actor}
        hint={texts.audit.actorHint}
        value={search.actor}
        onChange={(actor) => go({ actor })}
      />
      <DayFilter label={texts.orders.from} value={search.from} onChange={(from) => go({ from })} />
      <DayFilter label={texts.orders.to} value={search.to} onChange={(to) => go({ to })} />
      {Object.keys(search).length > 0 && (
        <Link to="/audit" className="button plain">
          {texts.common.reset}
        </Link>
      )}
    </div>
  )
}
