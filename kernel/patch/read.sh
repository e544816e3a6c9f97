# SPDX-License-Identifier: BSD-3-Clause
# Run in a folder with the texts in in/, by the tools of "git am". in/N.mail holds mails,
# in/N.text holds one text that is no mail. Each mail becomes out/N/000001 and so on,
# with what the tools make of it beside it.
#
# mailinfo gets no --encoding: git 2.39 then decodes nothing. UTF-8 is its default.
cr=$(printf '\r')
for file in in/*; do
    name=${file#in/} number=${name%.*}
    mkdir "out/$number" || exit
    case $name in
    *.mail) git mailsplit -b --keep-cr -d6 -o"out/$number" "$file" >/dev/null 2>"out/$number.error" || continue ;;
    *.text) cp "$file" "out/$number/000001" || exit ;;
    esac
    for mail in "out/$number"/*; do
        sed '/^$/q' "$mail" >"$mail.head" || exit
        git mailinfo -k "$mail.no" "$mail.no" <"$mail.head" >"$mail.outer" 2>/dev/null
        if ! git mailinfo -k --no-scissors --quoted-cr=nowarn "$mail.log" "$mail.diff" <"$mail" >"$mail.info" 2>"$mail.undecoded"; then
            # It may have ended at the subject. Without decoding, it goes on to the diff,
            # which shows whether the mail is a patch.
            git mailinfo -k -n --no-scissors --quoted-cr=nowarn "$mail.log" "$mail.diff" <"$mail" >"$mail.info" 2>/dev/null
            echo "git mailinfo ends with an error" >>"$mail.undecoded"
        fi
        # Transport in base64 or quoted-printable gives every line a CR. One that the file
        # has is in its hunks only.
        case $name in
        *.mail) grep -aqv "$cr\$" "$mail.diff" "$mail.log" || sed -i "s/$cr\$//" "$mail.diff" "$mail.log" || exit ;;
        esac
        git apply -p1 --numstat -z "$mail.diff" >"$mail.stat" 2>"$mail.refused" || echo "git apply ends with an error" >>"$mail.refused"
    done
done
echo read >complete # fails where a disk is full, and what is above is cut off then
