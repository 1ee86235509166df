import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'
import { Empty } from '~/ui/Empty'
import { SignInForm } from './SignIn'
import { signOut, start } from './session'

/** Covers the page of an ended session, which continues after a new sign-in. */
export function SignInAgain(props: { email: string }) {
  const texts = useTexts()
  return (
    <Dialog open stays onClose={() => {}} title={texts.session.expired} lead={texts.session.expiredLead}>
      <SignInForm email={props.email} />
    </Dialog>
  )
}

export function NoAccess() {
  const texts = useTexts()
  return (
    <main className="signin">
      <Empty
        title={texts.session.noAccess}
        lead={texts.session.noAccessLead}
        action={
          <button type="button" className="button" onClick={() => void signOut()}>
            {texts.session.signOut}
          </button>
        }
      />
    </main>
  )
}

export function Unreachable() {
  const texts = useTexts()
  return (
    <main className="signin">
      <Empty
        title={texts.session.unreachable}
        lead={texts.session.unreachableLead}
        action={
          <button type="button" className="button" onClick={() => void start()}>
            {texts.common.retry}
          </button>
        }
      />
    </main>
  )
}
