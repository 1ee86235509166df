import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { MailCheck, MailX } from 'lucide-react'
import { useState } from 'react'
import { isStale } from '~/api/problem'
import { reread } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Card } from '~/ui/Card'
import { Select } from '~/ui/Field'
import { FormDialog } from '~/ui/FormDialog'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { complain } from '~/ui/problems'
import { say } from '~/ui/toast'
import { StatusBadge } from './StatusBadge'
import { type Change, change, fullName, ROLES, readUser, type VersionedUser } from './users'

export function UserPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/users/$id' })
  const query = useQuery({ queryKey: ['user', id], queryFn: () => readUser(id) })
  return (
    <Loaded query={query} lines={6}>
      {(data) => (
        <>
          <PageHead
            title={data.user.email}
            parent={{ to: '/users', name: texts.nav.users }}
            badge={<StatusBadge user={data.user} />}
          />
          <div className="columns">
            <Facts data={data} />
            <Permissions data={data} />
          </div>
        </>
      )}
    </Loaded>
  )
}

function Facts(props: { data: VersionedUser }) {
  const texts = useTexts()
  const formats = useFormats()
  const { user } = props.data
  return (
    <Card title={fullName(user)}>
      <div className="body stack">
        <div className="row">
          {user.email_verified ? <MailCheck size={16} aria-hidden /> : <MailX size={16} aria-hidden />}
          {user.email_verified ? texts.users.verified : texts.users.unverified}
        </div>
        <div className="quiet">
          {texts.users.created} {formats.dateTime(user.created_at)}
        </div>
        <div className="row">
          <Link to="/orders" search={{ customer: user.id }} className="button">
            {texts.users.orders}
          </Link>
          <Link to="/audit" search={{ actor: user.id }} className="button">
            {texts.users.audit}
          </Link>
        </div>
        <code className="mono quiet small break">{user.id}</code>
      </div>
    </Card>
  )
}

function Permissions(props: { data: VersionedUser }) {
  const texts = useTexts()
  const { user } = props.data
  const [asked, setAsked] = useState<Change | null>(null)
  const own = currentUser()?.id === user.id
  const changing = useMutation({
    mutationFn: (to: Change) => change(props.data, to),
    onSuccess: () => say(texts.users.done),
    onError: (error) => complain(error, texts),
    onSettled: async (_, error) => {
      setAsked(null)
      await reread('user', user.id)
      if (!isStale(error)) await reread('users')
    },
  })
  const disabled = user.status === 'disabled'
  return (
    <Card title={texts.users.access}>
      <div className="body stack">
        <Select
          label={texts.users.role}
          hint={own ? texts.users.own : undefined}
          value={user.role}
          disabled={own || changing.isPending}
          onChange={(event) => setAsked({ role: event.target.value as (typeof ROLES)[number] })}
          options={ROLES.map((it) => [it, roleName(it, texts)])}
        />
        <div className="row">
          <button
            type="button"
            className={disabled ? 'button' : 'button danger'}
            disabled={own || changing.isPending}
            onClick={() => setAsked({ status: disabled ? 'active' : 'disabled' })}
          >
            {disabled ? texts.users.enable : texts.users.disable}
          </button>
          <button
            type="button"
            className="button"
            disabled={changing.isPending}
            onClick={() => changing.mutate({ unlock: true })}
          >
            {texts.users.unlock}
          </button>
        </div>
        <p className="hint">{texts.users.unlockHint}</p>
      </div>
      {asked && (
        <FormDialog
          title={texts.users.sure}
          lead={
            'role' in asked
              ? texts.users.toRole(user.email, roleName(asked.role, texts))
              : texts.users.toStatus[disabled ? 'active' : 'disabled'](user.email)
          }
          request={changing}
          submit={texts.common.save}
          onSubmit={() => changing.mutate(asked)}
          onClose={() => setAsked(null)}
        />
      )}
    </Card>
  )
}
