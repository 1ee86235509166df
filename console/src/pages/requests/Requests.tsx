import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Logs } from 'lucide-react'
import { useList } from '~/api/lists'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { ChoiceFilter, DayFilter, TextFilter } from '~/ui/filters'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { SearchOn } from '~/ui/SearchOn'
import { Table } from '~/ui/Table'
import { withCurrent } from '~/ui/withCurrent'
import { useStaff } from '../audit/useStaff'
import { duration } from '../webhooks/attempts'
import {
  colourOf,
  type LoggedRequest,
  type RequestsSearch,
  readKeyNames,
  readRequests,
  STATUSES,
} from './requests'

/** The requests of the last seven days: what other systems send, and how it ends. */
export function Requests() {
  const texts = useTexts()
  const search = useSearch({ from: '/requests' })
  // The API searches for seconds until a page ends, with or without a result: the user decides whether to continue.
  const list = useList(['requests', search], (cursor) => readRequests(search, cursor), { mostEmptyPages: 1 })
  return (
    <>
      <PageHead title={texts.nav.requests} lead={texts.requests.lead} />
      <div className="card">
        <Filters search={search} />
        <ListFrame
          list={list}
          empty={
            <Empty
              icon={Logs}
              title={list.hasNextPage ? texts.requests.notYet : texts.requests.empty}
              lead={list.hasNextPage ? '' : texts.requests.emptyLead}
            />
          }
          more={<SearchOn list={list} time={list.items.at(-1)?.at} />}
        >
          <Table
            columns={[
              texts.requests.at,
              texts.requests.request,
              texts.requests.status,
              texts.requests.sender,
              { name: texts.requests.duration, isNumber: true },
            ]}
            pendingRows={list.isPending && 12}
          >
            {list.items.map((it) => (
              <Row key={it.request_id} request={it} />
            ))}
          </Table>
        </ListFrame>
      </div>
    </>
  )
}

function Row(props: { request: LoggedRequest }) {
  const formats = useFormats()
  const { request } = props
  const { operation } = request
  return (
    <tr>
      <td className="quiet">
        <time dateTime={request.at}>{formats.exact(request.at)}</time>
        <div className="hint mono break">{request.request_id}</div>
      </td>
      <td className="wide">
        <span className="mono break">
          {request.method} {request.path}
        </span>
        {operation && (
          <div className="hint">
            <Link from="/requests" to="." search={(now) => ({ ...now, operation })}>
              {operation}
            </Link>
          </div>
        )}
      </td>
      <td>
        <span className={`badge ${colourOf(request.status)}`}>{request.status}</span>
        {request.code && <div className="hint mono break">{request.code}</div>}
      </td>
      <td className="break">
        <Sender request={request} />
      </td>
      <td className="number quiet end">{duration(request.duration_ms, formats.locale)}</td>
    </tr>
  )
}

function useKeyNames() {
  return useQuery({ queryKey: ['key-names'], queryFn: readKeyNames, staleTime: 60_000 })
}

/** Who sent a request: a service key with its address, or a user. */
function Sender(props: { request: LoggedRequest }) {
  const texts = useTexts()
  const names = useKeyNames()
  const staff = useStaff()
  const { actor, key_id: key, address } = props.request
  if (key)
    return (
      <>
        <Link from="/requests" to="." search={(now) => ({ ...now, key })}>
          {names.data?.get(key) ?? key}
        </Link>
        {address && <div className="hint mono break">{address}</div>}
      </>
    )
  if (!actor) return <span className="hint">{texts.requests.nobody}</span>
  const email = staff.data?.get(actor.id)?.email
  return (
    <>
      <Link
        from="/requests"
        to="."
        search={(now) => ({ ...now, actor: actor.id })}
        className={email ? undefined : 'mono small'}
      >
        {email ?? actor.id}
      </Link>{' '}
      <span className="quiet">{actor.role && roleName(actor.role, texts)}</span>
    </>
  )
}

function Filters(props: { search: RequestsSearch }) {
  const texts = useTexts()
  const names = useKeyNames()
  const navigate = useNavigate({ from: '/requests' })
  const { search } = props
  const go = (to: RequestsSearch) => navigate({ search: (before) => ({ ...before, ...to }), replace: true })
  const chosen = (name: 'actor' | 'operation') =>
    search[name] && (
      <button type="button" className="button plain" onClick={() => void go({ [name]: '' })}>
        <span className="mono break">{search[name]}</span> ✕
      </button>
    )
  return (
    <div className="row filters no-print">
      <TextFilter label={texts.requests.id} value={search.id} onChange={(id) => go({ id })} />
      <ChoiceFilter
        label={texts.requests.key}
        all={texts.requests.allSenders}
        isData
        options={withCurrent([...(names.data ?? [])], search.key)}
        value={search.key}
        onChange={(key) => void go({ key })}
      />
      <ChoiceFilter
        label={texts.requests.status}
        all={texts.requests.allStatuses}
        isData
        options={withCurrent(
          STATUSES.map((it) => [it, it]),
          search.status,
        )}
        value={search.status}
        onChange={(status) => void go({ status })}
      />
      <DayFilter
        label={texts.orders.from}
        isLabelShown
        value={search.from}
        onChange={(from) => go({ from })}
      />
      <DayFilter label={texts.orders.to} isLabelShown value={search.to} onChange={(to) => go({ to })} />
      {chosen('actor')}
      {chosen('operation')}
      {Object.keys(search).length > 0 && (
        <Link to="/requests" className="button plain">
          {texts.common.reset}
        </Link>
      )}
    </div>
  )
}
