import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ArrowLeft, MailCheck, MailX } from 'lucide-react'
import { useState } from 'react'
import { queries } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Dialog } from '~/ui/Dialog'
import { complain, Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { say } from '~/ui/toast'
import { type Change, change, fullName, isStale, ROLES, readUser, type VersionedUser } from './users'

export function UserPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/users/$id' })
  const { data, error, refetch } = useQuery({ queryKey: ['user', id], queryFn: () => readUser(id) })
  if (error && !data) return <Failed error={error} retry={() => void refetch()} />
  if (!data) return <Skeleton lines={6} />
  const { user } = data
  return (
    <>
      <header>
        <div className="stack tight">
          <Link to="/users" className="row quiet small no-print back">
            <ArrowLeft size={14} aria-hidden />
            {texts.nav.users}
          </Link>
          <div className="row">
            <h1 className="break">{user.email}</h1>
            <span className={user.status === 'active' ? 'badge green' : 'badge red'}>
              {texts.users.statuses[user.status]}
            </span>
          </div>
        </div>
      </header>
      <div className="columns">
        <Facts data={data} />
        <Permissions data={data} />
      </div>
    </>
  )
}

function Facts(props: { data: VersionedUser }) {
  const texts = useTexts()
  const formats = useFormats()
  const { user } = props.data
  return (
    <section className="card">
      <header>
        <h2 className="break">{fullName(user)}</h2>
      </header>
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
    </section>
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
      await queries.invalidateQueries({ queryKey: ['user', user.id] })
      if (!isStale(error)) await queries.invalidateQueries({ queryKey: ['users'] })
    },
  })
  const disabled = user.status === 'disabled'
  return (
    <section className="card">
      <header>
        <h2>{texts.users.access}</h2>
      </header>
      <div className="body stack">
        <div className="field">
          <label htmlFor="role">{texts.users.role}</label>
          <select
            id="role"
            className="input"
            value={user.role}
            disabled={own || changing.isPending}
            onChange={(event) => setAsked({ role: event.target.value as (typeof ROLES)[number] })}
          >
            {ROLES.map((it) => (
              <option key={it} value={it}>
                {roleName(it, texts)}
              </option>
            ))}
          </select>
          {own && <div className="hint">{texts.users.own}</div>}
        </div>
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
        <Dialog
          open
          onClose={() => setAsked(null)}
          title={texts.users.sure}
          lead={
            'role' in asked
              ? texts.users.toRole(user.email, roleName(asked.role, texts))
              : texts.users.toStatus[disabled ? 'active' : 'disabled'](user.email)
          }
        >
          <div className="actions">
            <button type="button" className="button" onClick={() => setAsked(null)}>
              {texts.common.cancel}
            </button>
            <button
              type="button"
              className="button primary"
              disabled={changing.isPending}
              onClick={() => changing.mutate(asked)}
            >
              {texts.common.save}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  )
}
