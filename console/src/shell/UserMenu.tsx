import { Menu } from '@base-ui/react/menu'
import { Link } from '@tanstack/react-router'
import { CircleUser, Keyboard, LogOut, Settings } from 'lucide-react'
import { useState } from 'react'
import { queries } from '~/api/queries'
import { signOut, type User } from '~/session/session'
import { useTexts } from '~/texts'
import { chooseLanguage, chosenLanguage, LANGUAGES, type Language } from '~/texts/language'
import { roleName } from '~/texts/roles'
import { chooseTheme, chosenTheme, type Theme } from './theme'

/** The user's own settings, shortcuts and the sign-out. */
export default function UserMenu(props: { user: User; onHelp: () => void }) {
  const texts = useTexts()
  const { user } = props
  const [theme, setTheme] = useState(chosenTheme())

  function choose(to: Theme) {
    chooseTheme(to)
    setTheme(to)
  }

  return (
    <Menu.Root>
      <Menu.Trigger className="button plain user">
        <CircleUser size={18} aria-hidden />
        <span>{user.first_name}</span>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className="menu-positioner" sideOffset={6} align="start">
          <Menu.Popup className="menu">
            <div className="who">
              {user.email}
              <div className="hint">{roleName(user.role, texts)}</div>
            </div>
            <hr />
            <Menu.RadioGroup value={theme} onValueChange={choose} aria-label={texts.common.theme}>
              {(['system', 'light', 'dark'] as const).map((it) => (
                <Menu.RadioItem key={it} value={it} closeOnClick={false}>
                  <span className="tick">{theme === it ? '✓' : ''}</span>
                  {texts.common.themes[it]}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <hr />
            <Menu.RadioGroup
              value={chosenLanguage()}
              onValueChange={(it: Language) => chooseLanguage(it)}
              aria-label={texts.common.language}
            >
              {(Object.keys(LANGUAGES) as Language[]).map((it) => (
                <Menu.RadioItem key={it} value={it}>
                  <span className="tick">{chosenLanguage() === it ? '✓' : ''}</span>
                  {LANGUAGES[it]}
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <hr />
            <Menu.LinkItem render={<Link to="/account" />} closeOnClick>
              <Settings size={16} aria-hidden /> {texts.nav.account}
            </Menu.LinkItem>
            <Menu.Item onClick={props.onHelp}>
              <Keyboard size={16} aria-hidden /> {texts.keys.title}
            </Menu.Item>
            <Menu.Item
              onClick={() => {
                queries.clear()
                void signOut()
              }}
            >
              <LogOut size={16} aria-hidden /> {texts.session.signOut}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}
