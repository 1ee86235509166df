import { Menu } from '@base-ui/react/menu'
import { useNavigate } from '@tanstack/react-router'
import { KeyRound, Logs, MoreHorizontal, Pencil, Power, ScrollText, Trash2 } from 'lucide-react'
import { useTexts } from '~/texts'
import type { ServiceKey } from './keys'

export type Action = 'change' | 'switch' | 'rotate' | 'delete'

/** What may be done with the key of a row. */
export function KeyMenu(props: { serviceKey: ServiceKey; onChoose: (action: Action) => void }) {
  const { serviceKey, onChoose } = props
  const texts = useTexts()
  const navigate = useNavigate()
  const to = serviceKey.status === 'disabled' ? 'active' : 'disabled'
  return (
    <Menu.Root>
      <Menu.Trigger className="button icon" aria-label={`${texts.serviceKeys.more}: ${serviceKey.name}`}>
        <MoreHorizontal size={18} aria-hidden />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className="menu-positioner" sideOffset={6} align="end">
          <Menu.Popup className="menu">
            <Menu.Item onClick={() => onChoose('change')}>
              <Pencil size={16} aria-hidden /> {texts.serviceKeys.change}
            </Menu.Item>
            <Menu.Item onClick={() => onChoose('rotate')}>
              <KeyRound size={16} aria-hidden /> {texts.serviceKeys.rotate.open}
            </Menu.Item>
            <Menu.Item onClick={() => onChoose('switch')}>
              <Power size={16} aria-hidden /> {texts.serviceKeys.switch[to].open}
            </Menu.Item>
            <Menu.Item onClick={() => void navigate({ to: '/requests', search: { key: serviceKey.id } })}>
              <Logs size={16} aria-hidden /> {texts.serviceKeys.requests}
            </Menu.Item>
            <Menu.Item onClick={() => void navigate({ to: '/audit', search: { actor: serviceKey.id } })}>
              <ScrollText size={16} aria-hidden /> {texts.serviceKeys.audit}
            </Menu.Item>
            <hr />
            <Menu.Item className="error" onClick={() => onChoose('delete')}>
              <Trash2 size={16} aria-hidden /> {texts.serviceKeys.delete.open}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}
