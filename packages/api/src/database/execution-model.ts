import { END_REASONS } from "@taskscheduler/domain";
import { DataTypes } from "sequelize";
import { Column, Model, Table } from "sequelize-typescript";

/** Table `executions`, the ledger. Read raw: instants are epoch milliseconds (see instants.ts). */
@Table({ tableName: "executions", timestamps: false })
export class ExecutionModel extends Model {
  @Column({ type: DataTypes.INTEGER, primaryKey: true, field: "task_id" })
  declare taskId: number;
  @Column({ type: DataTypes.DATE(3), primaryKey: true, field: "scheduled_time" })
  declare scheduledTimeMs: number;
  @Column({ type: DataTypes.STRING(255), allowNull: false, field: "task_name" })
  declare taskName: string;
  @Column({
    type: DataTypes.ENUM("SCHEDULE", "MANUAL", "CATCH_UP", "BACKFILL"),
    allowNull: false,
    field: "trigger_kind",
  })
  declare trigger: string;
  @Column({
    type: DataTypes.ENUM(
      ...["PENDING", "CLAIMED", "RUNNING", "RETRYING", "SUCCEEDED", "FAILED", "CANCELLED", "MISSED", "SKIPPED"],
    ),
    allowNull: false,
  })
  declare state: string;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false })
  declare attempt: number;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false })
  declare fence: number;
  @Column({ type: DataTypes.INTEGER.UNSIGNED })
  declare incarnation: number | null;
  @Column({ type: DataTypes.STRING(255), allowNull: false, field: "scheduler_id" })
  declare schedulerId: string;
  @Column({ type: DataTypes.DATE(3), field: "claim_time" })
  declare claimTimeMs: number | null;
  @Column({ type: DataTypes.DATE(3), field: "start_time" })
  declare startTimeMs: number | null;
  @Column({ type: DataTypes.DATE(3), field: "end_time" })
  declare endTimeMs: number | null;
  @Column({ type: DataTypes.STRING(1000), allowNull: false })
  declare error: string;
  @Column({ type: DataTypes.SMALLINT.UNSIGNED, allowNull: false, field: "http_status" })
  declare httpStatus: number;
  @Column({ type: DataTypes.INTEGER.UNSIGNED, allowNull: false, field: "missed_count" })
  declare missedCount: number;
  @Column({ type: DataTypes.DATE(3), field: "missed_until" })
  declare missedUntilMs: number | null;
  @Column({ type: DataTypes.SMALLINT.UNSIGNED, allowNull: false })
  declare failures: number;
  @Column({ type: DataTypes.DATE(3), field: "retry_time" })
  declare retryTimeMs: number | null;
  @Column({ type: DataTypes.TEXT, allowNull: false })
  declare attempts: string;
  @Column({
    type: DataTypes.ENUM(...END_REASONS),
    field: "end_reason",
  })
  declare endReason: string | null;
}
