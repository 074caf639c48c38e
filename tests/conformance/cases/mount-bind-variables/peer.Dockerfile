FROM busybox
ARG S=sub
ENV T=/m
RUN --mount=source=sub,target=/m/x cat /m/x/a > /out
