import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { UserX } from 'lucide-react'
import { useMemo } from 'react'
import { useList } from '~/api/lists'
import type { UsersSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Failed } from '~/ui/problems'
import { SkeletonRows } from '~/ui/Skeleton'
import { useRows } from '~/ui/useRows'
import { useTyped } from '~/ui/useTyped'
import { fullName, ROLES, readUsers, type User } from './users'

export function Users() {
  const texts = useTexts()
  const search = useSearch({ from: '/users' })
  const navigate = useNavigate({ from: '/users' })
  const list = useList(['users', search], (cursor) => readUsers(search, cursor))
  const { items } = list
  const act = useMemo(
    () => ({
      open: (row: number) => items[row] && navigate({ to: '/users/$id', params: { id: items[row].id } }),
    }),
    [items, navigate],
  )
  const active = useRows(items.length, act)
  return (
    <>
      <header>
        <h1>{texts.nav.users}</h1>
      </header>
      <div className="card">
        <Filters search={search} />
        {list.isError && !items.length ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : list.isSuccess && !items.length ? (
          <Empty
            icon={<UserX size={28} aria-hidden />}
            title={texts.users.empty}
            lead={texts.users.emptyLead}
          />
        ) : (
          <div className="table-box">
            <table className="table cards" aria-busy={list.isPending}>
              <thead>
                <tr>
                  <th>{texts.users.email}</th>
                  <th>{texts.users.name}</th>
                  <th>{texts.users.role}</th>
                  <th>{texts.users.status}</th>
                  <th>{texts.users.created}</th>
                </tr>
              </thead>
              <tbody>
                {list.isPending ? (
                  <SkeletonRows rows={10} columns={5} />
                ) : (
                  items.map((user, row) => <Row key={user.id} user={user} active={row === active} />)
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

function Row(props: { user: User; active: boolean }) {
  const texts = useTexts()
  const formats = useFormats()
  const { user, active } = props
  return (
    <tr data-active={active}>
      <td className="wide break">
        <Link to="/users/$id" params={{ id: user.id }}>
          {user.email}
        </Link>
      </td>
      <td className="break">{fullName(user)}</td>
      <td>{roleName(user.role, texts)}</td>
      <td>
        <span className={user.status === 'active' ? 'badge green' : 'badge red'}>
          {texts.users.statuses[user.status]}
        </span>
      </td>
      <td className="quiet end">{formats.ago(user.created_at)}</td>
    </tr>
  )
}

function Filters(props: { search: UsersSearch }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/users' })
  const { search } = props
  const go = (to: UsersSearch) => void navigate({ search: { ...search, ...to }, replace: true })
  const [typed, setTyped] = useTyped(search.q ?? '', (q) => go({ q }))
  return (
    <div className="row filters no-print">
      <input
        type="search"
        className="input"
        aria-label={texts.users.find}
        placeholder={texts.users.find}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <select
        className="input"
        aria-label={texts.users.role}
        value={search.role ?? ''}
        onChange={(event) => go({ role: event.target.value })}
      >
        <option value="">{texts.users.allRoles}</option>
        {ROLES.map((it) => (
          <option key={it} value={it}>
            {roleName(it, texts)}
          </option>
        ))}
      </select>
      <select
        className="input"
        aria-label={texts.users.status}
        value={search.status ?? ''}
        onChange={(event) => go({ status: event.target.value })}
      >
        <option value="">{texts.common.all}</option>
        <option value="active">{texts.users.statuses.active}</option>
        <option value="disabled">{texts.users.statuses.disabled}</option>
      </select>
    </div>
  )
}
