import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, body, type Schemas } from '~/api/client'
import { fieldErrors } from '~/api/problem'
import { reread } from '~/api/queries'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { roleName } from '~/texts/roles'
import { Card } from '~/ui/Card'
import { Field } from '~/ui/Field'
import { PageHead } from '~/ui/PageHead'
import { complain, explain, Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { say } from '~/ui/toast'
import { deviceOf } from './device'

export function Account() {
  const texts = useTexts()
  const user = currentUser()
  return (
    <>
      <PageHead title={texts.nav.account} lead={user && `${user.email} · ${roleName(user.role, texts)}`} />
      <div className="columns">
        <Sessions />
        <Password />
      </div>
    </>
  )
}

function Sessions() {
  const texts = useTexts()
  const { data, error, refetch } = useQuery({
    queryKey: ['sessions'],
    queryFn: () => body(api.GET('/api/v1/auth/sessions', { params: { query: { limit: 100 } } })),
  })
  const ending = useMutation({
    mutationFn: (ids: string[]) =>
      Promise.all(
        ids.map((id) =>
          body(api.DELETE('/api/v1/auth/sessions/{session_id}', { params: { path: { session_id: id } } })),
        ),
      ),
    onError: (problem) => complain(problem, texts),
    onSettled: () => reread('sessions'),
  })
  const others = data?.items.filter((it) => !it.current).map((it) => it.id) ?? []
  return (
    <Card
      title={texts.account.sessions}
      aside={
        others.length > 0 && (
          <button
            type="button"
            className="button danger"
            disabled={ending.isPending}
            onClick={() => ending.mutate(others)}
          >
            {texts.account.endOthers}
          </button>
        )
      }
    >
      {error && !data ? (
        <Failed error={error} retry={() => void refetch()} />
      ) : (
        <ul className="body stack">
          {data ? (
            data.items.map((it) => (
              <SessionRow
                key={it.id}
                session={it}
                busy={ending.isPending}
                end={() => ending.mutate([it.id])}
              />
            ))
          ) : (
            <li>
              <Skeleton />
            </li>
          )}
        </ul>
      )}
    </Card>
  )
}

function SessionRow(props: { session: Schemas['SessionResponse']; busy: boolean; end: () => void }) {
  const texts = useTexts()
  const formats = useFormats()
  const { session } = props
  return (
    <li className="row spread">
      <div className="break">
        <strong title={session.user_agent ?? undefined}>
          {session.user_agent ? deviceOf(session.user_agent) : texts.account.unknown}
        </strong>
        <div className="hint">
          {session.address} · {formats.ago(session.refreshed_at)}
        </div>
      </div>
      {session.current ? (
        <span className="badge green">{texts.account.current}</span>
      ) : (
        <button type="button" className="button" disabled={props.busy} onClick={props.end}>
          {texts.account.end}
        </button>
      )}
    </li>
  )
}

function Password() {
  const texts = useTexts()
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const element = event.currentTarget
    const form = new FormData(element)
    setBusy(true)
    setError(null)
    try {
      const change = { current_password: String(form.get('current')), new_password: String(form.get('new')) }
      await body(api.PUT('/api/v1/auth/password', { body: change }))
      element.reset()
      say(texts.account.changed)
      await reread('sessions')
    } catch (problem) {
      setError(problem)
    } finally {
      setBusy(false)
    }
  }

  const fields = fieldErrors(error)
  return (
    <Card title={texts.account.password}>
      <form className="body stack" onSubmit={submit}>
        <Field
          name="current"
          type="password"
          label={texts.account.currentPassword}
          autoComplete="current-password"
          error={fields.current_password}
          required
        />
        <Field
          name="new"
          type="password"
          label={texts.account.newPassword}
          autoComplete="new-password"
          error={fields.new_password}
          required
        />
        {error !== null && !Object.keys(fields).length && (
          <p className="error" role="alert">
            {explain(error, texts).text}
          </p>
        )}
        <p className="hint">{texts.account.hint}</p>
        <button type="submit" className="button primary" disabled={busy}>
          {texts.common.save}
        </button>
      </form>
    </Card>
  )
}
