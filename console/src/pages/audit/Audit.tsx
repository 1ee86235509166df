import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ScrollText } from 'lucide-react'
import { api, body, type Page, type Schemas } from '~/api/client'
import { useList } from '~/api/lists'
import type { AuditSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Failed } from '~/ui/problems'
import { SkeletonRows } from '~/ui/Skeleton'
import { useTyped } from '~/ui/useTyped'

type Entry = Schemas['AuditEntryResponse']

async function readEntries(search: AuditSearch, cursor?: string): Promise<Page<Entry>> {
  const query = {
    limit: 50,
    ...(cursor ? { cursor } : {}),
    ...(search.actor ? { actor: [search.actor] } : {}),
    ...(search.action ? { action: [search.action] } : {}),
    ...(search.from ? { from: search.from } : {}),
    ...(search.to ? { to: search.to } : {}),
  }
  return body(api.GET('/api/v1/admin/audit', { params: { query } }))
}

export function Audit() {
  const texts = useTexts()
  const search = useSearch({ from: '/audit' })
  const list = useList(['audit', search], (cursor) => readEntries(search, cursor))
  const { items } = list
  return (
    <>
      <header>
        <h1>{texts.nav.audit}</h1>
      </header>
      <p className="note good">{texts.audit.seal}</p>
      <div className="card">
        {/* Another address, by a link or by Back, fills the fields again. */}
        <Filters key={`${search.actor} ${search.action}`} search={search} />
        {list.isError && !items.length ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : list.isSuccess && !items.length ? (
          <Empty
            icon={<ScrollText size={28} aria-hidden />}
            title={texts.audit.empty}
            lead={texts.audit.emptyLead}
          />
        ) : (
          <div className="table-box">
            <table className="table cards" aria-busy={list.isPending}>
              <thead>
                <tr>
                  <th>{texts.audit.at}</th>
                  <th>{texts.audit.action}</th>
                  <th>{texts.audit.actor}</th>
                  <th>{texts.audit.target}</th>
                  <th>{texts.audit.outcome}</th>
                </tr>
              </thead>
              <tbody>
                {list.isPending ? (
                  <SkeletonRows rows={12} columns={5} />
                ) : (
                  items.map((it) => <Row key={it.id} entry={it} />)
                )}
              </tbody>
            </table>
          </div>
        )}
        <LoadMore hasMore={list.hasNextPage} busy={list.isFetchingNextPage} more={list.fetchNextPage} />
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
  const go = (to: AuditSearch) => void navigate({ search: { ...search, ...to }, replace: true })
  const [actor, setActor] = useTyped(search.actor ?? '', (it) => go({ actor: it }))
  const [action, setAction] = useTyped(search.action ?? '', (it) => go({ action: it }))
  return (
    <div className="row filters no-print">
      <input
        type="search"
        className="input"
        aria-label={texts.audit.action}
        placeholder={texts.audit.actionHint}
        value={action}
        onChange={(event) => setAction(event.target.value)}
      />
      <input
        type="search"
        className="input"
        aria-label={texts.audit.actor}
        placeholder={texts.audit.actorHint}
        value={actor}
        onChange={(event) => setActor(event.target.value)}
      />
      <input
        type="date"
        className="input"
        aria-label={texts.orders.from}
        value={search.from ?? ''}
        onChange={(event) => go({ from: event.target.value })}
      />
      <input
        type="date"
        className="input"
        aria-label={texts.orders.to}
        value={search.to ?? ''}
        onChange={(event) => go({ to: event.target.value })}
      />
      {Object.keys(search).length > 0 && (
        <Link to="/audit" className="button plain">
          {texts.common.reset}
        </Link>
      )}
    </div>
  )
}
