import { useTexts } from '~/texts'
import { Dialog } from '~/ui/Dialog'

export function ShortcutHelp(props: { open: boolean; onClose: () => void }) {
  const { keys } = useTexts()
  const rows: [string[], string][] = [
    [['⌘K', 'Ctrl K', '/'], keys.palette],
    [['j'], keys.next],
    [['k'], keys.previous],
    [['Enter'], keys.open],
    [['x'], keys.select],
    [['g h', 'g o', 'g p', 'g c'], keys.go],
    [['?'], keys.help],
  ]
  return (
    <Dialog open={props.open} onClose={props.onClose} title={keys.title}>
      <dl className="stack tight">
        {rows.map(([names, meaning]) => (
          <div key={meaning} className="row spread">
            <dt>{meaning}</dt>
            <dd className="row">
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
