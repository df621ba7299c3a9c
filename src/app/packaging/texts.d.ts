declare module "*.service" {
  const text: string;
  export default text;
}

declare module "*/CHANGELOG.md" {
  const text: string;
  export default text;
}

declare module "./debian/*" {
  const text: string;
  export default text;
}
