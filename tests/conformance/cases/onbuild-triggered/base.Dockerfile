FROM busybox
ONBUILD RUN echo trigger > /trigger
ONBUILD COPY file /copied
ONBUILD ENV A=b
ONBUILD WORKDIR /w
