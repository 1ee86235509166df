import { type FormEvent, useState } from 'react'
import { Problem } from '~/api/problem'
import { queries } from '~/api/queries'
import { useTexts } from '~/texts'
import { Field } from '~/ui/Field'
import { explain } from '~/ui/problems'
import { signIn } from './session'

export function SignIn() {
  const texts = useTexts()
  return (
    <main className="signin">
      <div className="card stack">
        <div className="stack tight">
          <img src="/icon.svg" width={36} height={36} alt="" />
          <h1>{texts.session.title}</h1>
          <p className="quiet">{texts.session.lead}</p>
        </div>
        <SignInForm onDone={() => queries.clear()} />
      </div>
    </main>
  )
}

/** The form, with an address that is known, or an empty one. */
export function SignInForm(props: { email?: string; onDone?: () => void }) {
  const texts = useTexts()
  const [failure, setFailure] = useState('')
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    setFailure('')
    try {
      await signIn(String(form.get('email')), String(form.get('password')))
      props.onDone?.()
    } catch (error) {
      const wrong = error instanceof Problem && error.code === 'invalid-credentials'
      setFailure(wrong ? texts.session.wrong : explain(error, texts).text)
    } finally {
      setBusy(false)
    }
  }

  return (
    <form onSubmit={submit}>
      <Field
        label={texts.session.email}
        name="email"
        type="email"
        autoComplete="username"
        required
        defaultValue={props.email}
        autoFocus={!props.email}
      />
      <Field
        label={texts.session.password}
        name="password"
        type="password"
        autoComplete="current-password"
        required
        autoFocus={!!props.email}
      />
      {failure && (
        <p className="error" role="alert">
          {failure}
        </p>
      )}
      <button type="submit" className="button primary" disabled={busy}>
        {texts.session.submit}
      </button>
    </form>
  )
}
