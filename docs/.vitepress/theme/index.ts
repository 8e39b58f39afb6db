import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme'
import TwoChains from './TwoChains.vue'
import './style.css'

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component('TwoChains', TwoChains)
  },
} satisfies Theme
