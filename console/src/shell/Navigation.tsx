import { Link } from '@tanstack/react-router'
import { CircleUser } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react'
import { currentUser } from '~/session/session'
import { useTexts } from '~/texts'
import { PAGES } from './pages'

// Menus need a quarter of the script of everything else here, and are opened later.
const MENU_AFTER_MS = 1000
const UserMenu = lazy(() => import('./UserMenu'))

export function Navigation(props: { find?: ReactNode; onHelp: () => void }) {
  const texts = useTexts()
  const user = currentUser()
  const [hasMenu, setHasMenu] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setHasMenu(true), MENU_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  const links = (admin: boolean) =>
    PAGES.filter((it) => !!it.admin === admin && !it.isHidden).map(({ name, to, icon: Icon }) => (
      <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>
        <Icon size={17} aria-hidden />
        {texts.nav[name]}
      </Link>
    ))
  return (
    <>
      <Link to="/" className="brand" activeProps={{ 'aria-current': undefined }}>
        <img src="/icon.svg" width={24} height={24} alt="" />
        {texts.app}
      </Link>
      {props.find}
      <nav aria-label={texts.nav.main}>
        {links(false)}
        {user?.role === 'admin' && (
          <>
            <h2>{texts.nav.administration}</h2>
            {links(true)}
          </>
        )}
      </nav>
      <div className="bottom">
        {user && (
          <Suspense fallback={<UserName name={user.first_name} />}>
            {hasMenu ? <UserMenu user={user} onHelp={props.onHelp} /> : <UserName name={user.first_name} />}
          </Suspense>
        )}
      </div>
    </>
  )
}

function UserName(props: { name: string }) {
  return (
    <span className="button plain name">
      <CircleUser size={18} aria-hidden />
      <span>{props.name}</span>
    </span>
  )
}
