import { RouterProvider } from '@tanstack/react-router'
import { router } from './router'
import { SignIn } from './session/SignIn'
import { NoAccess, SignInAgain, Unreachable } from './session/states'
import { useSession } from './session/useSession'

/** Shows the pages to a manager or an admin, and the sign-in to everyone else. */
export function App() {
  const session = useSession()
  switch (session.status) {
    case 'starting':
      return null
    case 'unreachable':
      return <Unreachable />
    case 'signed-out':
      return <SignIn />
    default:
      if (session.user.role === 'customer') return <NoAccess />
      return (
        <>
          <RouterProvider router={router} />
          {session.status === 'expired' && <SignInAgain email={session.user.email} />}
        </>
      )
  }
}
