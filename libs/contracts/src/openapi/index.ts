export { openApiDocument } from './document.ts';
export { errorsHtml } from './errors-page.ts';
