# One image for each part:
#   docker build --build-arg APP=gateway -t parley-gateway .        APP: gateway, auth, messages, history, presence, admin, or standalone
# Without APP it is embedded mode with its data in /data:
#   docker build -t parley . && docker run -p 3000:3000 -v parley:/data parley
# npm uses whatever registry the build machine's image is configured for; nothing about it is kept.

# The manifests alone, so that the dependencies are installed again only when one of them changes.
FROM docker.io/library/node:24-bookworm-slim AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

# Everything is compiled once, whatever the image is for.
FROM docker.io/library/node:24-bookworm-slim AS build
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci && npm cache clean --force
COPY . .
RUN npx tsc -b apps/admin && npx vite build apps/web && npx vite build libs/react-ui

# What this one app needs at run time.
FROM build AS image
ARG APP=standalone
RUN node tools/image.mjs "$APP" /image

FROM docker.io/library/node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 HEALTH_HOST=0.0.0.0 HEALTH_PORT=9090 DATA_DIR=/data FILES_DIR=/data/files
WORKDIR /app
RUN mkdir -m 700 /data && chown node:node /data
COPY --from=image /image ./
USER node
VOLUME /data
EXPOSE 3000 9090
# No shell is needed, neither to start nor to look whether it is ready.
HEALTHCHECK --interval=10s --timeout=10s --retries=3 --start-period=60s CMD ["node", "libs/service-kit/dist/healthcheck.js"]
ENTRYPOINT ["node"]
CMD ["main.js"]
