import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { UserX } from 'lucide-react'
import { useList } from '~/api/lists'
import type { UsersSearch } from '~/router'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Empty } from '~/ui/Empty'
import { ChoiceFilter, TextFilter } from '~/ui/filters'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { StatusBadge } from './StatusBadge'
import { fullName, ROLES, readUsers, type User } from './users'

export function Users() {
  const texts = useTexts()
  const search = useSearch({ from: '/users' })
  const navigate = useNavigate({ from: '/users' })
  const list = useList(['users', search], (cursor) => readUsers(search, cursor))
  const active = useRows(list.items, {
    open: ({ id }) => navigate({ to: '/users/$id', params: { id } }),
  })
  return (
    <>
      <PageHead title={texts.nav.users} lead={texts.users.lead} />
      <div className="card">
        <Filters search={search} />
        <ListFrame
          list={list}
          empty={<Empty icon={UserX} title={texts.users.empty} lead={texts.users.emptyLead} />}
        >
          <Table
            columns={[
              texts.users.email,
              texts.users.name,
              texts.users.role,
              texts.users.status,
              texts.users.created,
            ]}
            pendingRows={list.isPending && 10}
          >
            {list.items.map((user, row) => (
              <Row key={user.id} user={user} active={row === active} />
            ))}
          </Table>
        </ListFrame>
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
        <StatusBadge user={user} />
      </td>
      <td className="quiet end">{formats.ago(user.created_at)}</td>
    </tr>
  )
}

function Filters(props: { search: UsersSearch }) {
  const texts = useTexts()
  const navigate = useNavigate({ from: '/users' })
  const { search } = props
  const go = (to: UsersSearch) => navigate({ search: (before) => ({ ...before, ...to }), replace: true })
  return (
    <div className="row filters no-print">
      <TextFilter label={texts.users.find} value={search.q} onChange={(q) => go({ q })} />
      <ChoiceFilter
        label={texts.users.role}
        all={texts.users.allRoles}
        options={ROLES.map((it) => [it, roleName(it, texts)])}
        value={search.role}
        onChange={(role) => void go({ role })}
      />
      <ChoiceFilter
        label={texts.users.status}
        all={texts.common.all}
        options={Object.entries(texts.users.statuses)}
        value={search.status}
        onChange={(status) => void go({ status })}
      />
    </div>
  )
}
