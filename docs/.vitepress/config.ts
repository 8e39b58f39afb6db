import { defineConfig } from 'vitepress'

/** The head of the home page. Here and not in its file, where the formatter would not leave YAML alone. */
const home = {
  layout: 'home',
  title: 'Sluice',
  titleTemplate: 'AI pipeline steps on AWS Lambda',
  hero: {
    name: 'Sluice',
    text: 'Model calls that a Lambda handler can rely on.',
    tagline:
      'Middy middlewares and a guard for your Bedrock client. They run inside the function; there is nothing else to operate.',
    image: { src: '/logo.svg', alt: 'A sluice gate, half open' },
    actions: [
      { theme: 'brand', text: 'Start', link: '/start' },
      { theme: 'alt', text: 'The two chains', link: '/two-chains' },
    ],
  },
}

export default defineConfig({
  title: 'Sluice',
  description: 'Middy middlewares that make AI pipeline steps on AWS Lambda',
  lang: 'en',
  srcExclude: ['snippets/**', 'scripts/**'],
  lastUpdated: false,
  transformPageData(page) {
    if (page.relativePath === 'index.md') Object.assign(page, { title: home.title, frontmatter: home })
  },
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/logo.svg' }]],
  markdown: {
    theme: { light: 'github-light', dark: 'github-dark' },
    // GitHub's own anchors, so that a link works in the repository and on the site alike.
    anchor: { level: [2, 3, 4] },
  },
  // VitePress's esbuild is older than the target of the workspace.
  vite: { esbuild: { tsconfigRaw: { compilerOptions: { target: 'es2022' } } } },
  themeConfig: {
    logo: '/logo.svg',
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'The two chains', link: '/two-chains' },
      { text: 'Errors', link: '/errors' },
      { text: 'Reference', link: '/reference/' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'Start', link: '/start' },
          { text: 'The two chains', link: '/two-chains' },
          { text: 'Errors', link: '/errors' },
          { text: 'What happens when it breaks', link: '/guarantees' },
          { text: 'Testing your handlers', link: '/testing' },
          { text: 'Against the bare SDK', link: '/against-the-sdk' },
        ],
      },
      {
        text: 'Packages',
        items: [
          { text: '@sluice/core', link: '/packages/core' },
          {
            text: '@sluice/model-invocation',
            link: '/packages/model-invocation',
            items: [
              { text: 'guarded', link: '/packages/model-invocation/guarded' },
              { text: 'modelInvocation, bedrock', link: '/packages/model-invocation/models' },
              { text: 'structured', link: '/packages/model-invocation/structured' },
              { text: 'runTools', link: '/packages/model-invocation/tools' },
              { text: 'bedrockEmbedding', link: '/packages/model-invocation/embeddings' },
              { text: 'SageMaker', link: '/packages/model-invocation/sagemaker' },
              { text: 'Jobs over a bucket', link: '/packages/model-invocation/batch' },
              { text: 'retry, fallback, breaker', link: '/packages/model-invocation/retry-and-fallback' },
              { text: 'cache', link: '/packages/model-invocation/cache' },
              { text: 'modelStep', link: '/packages/model-invocation/steps' },
            ],
          },
          { text: '@sluice/quota-throttle', link: '/packages/quota-throttle' },
          { text: '@sluice/timeout-guard', link: '/packages/timeout-guard' },
          { text: '@sluice/token-stream', link: '/packages/token-stream' },
          {
            text: '@sluice/cost-meter',
            link: '/packages/cost-meter',
            items: [
              { text: 'prices', link: '/packages/cost-meter/prices' },
              { text: 'budget', link: '/packages/cost-meter/budget' },
            ],
          },
          {
            text: '@sluice/event-sources',
            link: '/packages/event-sources',
            items: [
              { text: 'sqsBatch', link: '/packages/event-sources/queues' },
              { text: 's3Objects', link: '/packages/event-sources/objects' },
              { text: 'streams, EventBridge, SNS', link: '/packages/event-sources/events' },
              { text: 'stepFunctionsTask', link: '/packages/event-sources/tasks' },
              { text: 'http', link: '/packages/event-sources/requests' },
            ],
          },
          { text: '@sluice/store', link: '/packages/store' },
          { text: 'sluice/local', link: '/packages/local' },
        ],
      },
      {
        text: 'Patterns',
        items: [
          { text: 'An SDK handler', link: '/patterns/sdk-handler' },
          { text: 'A queue in batches', link: '/patterns/sqs-batch' },
          { text: 'Many sandboxes, one quota', link: '/patterns/shared-quota' },
          { text: 'A queue above its quota', link: '/patterns/sqs-deferral' },
          { text: 'An API that answers', link: '/patterns/api-inference' },
          { text: 'A chat that streams', link: '/patterns/chat-stream' },
          { text: 'A state machine', link: '/patterns/step-functions' },
          { text: 'Documents from a bucket', link: '/patterns/s3-documents' },
          { text: 'A day in one job', link: '/patterns/batch-classify' },
        ],
      },
      {
        text: 'Reference',
        collapsed: true,
        items: [
          { text: '@sluice/core', link: '/reference/@sluice/core' },
          { text: '@sluice/core/testing', link: '/reference/@sluice/core/testing' },
          { text: '@sluice/model-invocation', link: '/reference/@sluice/model-invocation' },
          { text: '…/bedrock', link: '/reference/@sluice/model-invocation/bedrock' },
          { text: '…/bedrock-batch', link: '/reference/@sluice/model-invocation/bedrock-batch' },
          { text: '…/sagemaker', link: '/reference/@sluice/model-invocation/sagemaker' },
          { text: '…/sagemaker-async', link: '/reference/@sluice/model-invocation/sagemaker-async' },
          { text: '…/sagemaker-batch', link: '/reference/@sluice/model-invocation/sagemaker-batch' },
          { text: '@sluice/quota-throttle', link: '/reference/@sluice/quota-throttle' },
          { text: '@sluice/timeout-guard', link: '/reference/@sluice/timeout-guard' },
          { text: '@sluice/token-stream', link: '/reference/@sluice/token-stream' },
          { text: '@sluice/cost-meter', link: '/reference/@sluice/cost-meter' },
          { text: '@sluice/event-sources', link: '/reference/@sluice/event-sources' },
          { text: '@sluice/store', link: '/reference/@sluice/store' },
          { text: '…/dynamodb', link: '/reference/@sluice/store/dynamodb' },
          { text: '…/redis', link: '/reference/@sluice/store/redis' },
          { text: '…/testing', link: '/reference/@sluice/store/testing' },
          { text: 'sluice/local', link: '/reference/sluice/local' },
        ],
      },
      { text: 'Decisions', link: '/decisions/' },
    ],
    docFooter: { prev: 'Before', next: 'Next' },
  },
})
